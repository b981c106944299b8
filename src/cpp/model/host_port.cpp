#include "model/host_port.hpp"

#include <charconv>

namespace sandboxd::model {
namespace {

constexpr std::string_view kInUse = "host port already in use: ";
constexpr std::string_view kReserved = "host port already reserved: ";
constexpr int kPortMax = 65535;

std::string sentence(std::string_view beginning, int port, Protocol protocol, std::string_view cause) {
  return std::string(beginning) + std::to_string(port) + "/" + std::string(to_string(protocol)) + " (" +
         std::string(cause) + ")";
}

}  // namespace

std::string host_port_in_use(int port, Protocol protocol, std::string_view cause) {
  return sentence(kInUse, port, protocol, cause);
}

std::string host_port_reserved(int port, Protocol protocol, std::string_view cause) {
  return sentence(kReserved, port, protocol, cause);
}

std::optional<int> refused_host_port(std::string_view text) {
  for (const std::string_view beginning : {kInUse, kReserved}) {
    if (!text.starts_with(beginning)) continue;
    const std::string_view rest = text.substr(beginning.size());
    int port = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), port);
    const bool is_port = parsed.ec == std::errc() && port > 0 && port <= kPortMax;
    if (is_port && rest.substr(static_cast<std::size_t>(parsed.ptr - rest.data())).starts_with('/')) return port;
  }
  return std::nullopt;
}

}  // namespace sandboxd::model
