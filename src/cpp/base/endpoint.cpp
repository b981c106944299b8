#include "base/endpoint.hpp"

#include <arpa/inet.h>
#include <charconv>

namespace sandboxd {

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto wrong = [&] {
    return Error(ErrorCode::invalid_argument,
                 "expected ADDRESS:PORT, such as 127.0.0.1:8082, got \"" + std::string(text) + "\"");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view address = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  Endpoint endpoint;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc{} || end != port.data() + port.size() || endpoint.port < 0 || endpoint.port > 65535) {
    return wrong();
  }
  if (address.empty()) address = "0.0.0.0";
  if (address == "localhost") address = "127.0.0.1";
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  endpoint.address = address;
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, endpoint.address.c_str(), &v4) != 1 &&
      inet_pton(AF_INET6, endpoint.address.c_str(), &v6) != 1) {
    return wrong();
  }
  return endpoint;
}

bool is_loopback(std::string_view address) {
  in_addr v4{};
  const std::string text(address);
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace sandboxd
