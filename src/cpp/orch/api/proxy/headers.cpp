#include "orch/api/proxy/headers.hpp"

#include "http/text.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace sandboxd::orch::proxy {
namespace {

using http::equals_ignoring_case;

constexpr std::array<std::string_view, 10> kOfConnection{
    "Connection", "Keep-Alive",        "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE",
    "Trailer",    "Transfer-Encoding", "Upgrade",          "Content-Length"};
constexpr std::array<std::string_view, 4> kOfHops{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host",
                                                  "X-Forwarded-Proto"};

bool is_one_of(std::string_view name, const auto& names) {
  return std::ranges::any_of(names, [&](std::string_view other) { return equals_ignoring_case(name, other); });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> named_by_connection(const http::Headers& headers) {
  std::vector<std::string_view> names;
  const auto [begin, end] = headers.equal_range(std::string_view("Connection"));
  for (auto at = begin; at != end; ++at) {
    std::string_view list = at->second;
    while (!list.empty()) {
      const std::size_t comma = list.find(',');
      names.push_back(trim(list.substr(0, comma)));
      list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
  }
  return names;
}

}  // namespace

HeaderList request_headers(const http::Request& request, bool trusts_peer) {
  HeaderList out;
  const auto named = named_by_connection(request.headers);
  std::string hops;
  for (const auto& [name, value] : request.headers) {
    if (is_one_of(name, kOfConnection) || is_one_of(name, named)) continue;
    if (equals_ignoring_case(name, "Host") || equals_ignoring_case(name, "Expect")) continue;
    if (is_one_of(name, kOfHops) && !trusts_peer) continue;
    if (equals_ignoring_case(name, "X-Forwarded-For")) {
      hops += value + ", ";
      continue;
    }
    out.emplace_back(name, value);
  }
  out.emplace_back("X-Forwarded-For", hops + request.peer_address);
  const bool has_proto = trusts_peer && !request.header("X-Forwarded-Proto").empty();
  if (!has_proto) out.emplace_back("X-Forwarded-Proto", "http");
  const bool has_host = trusts_peer && !request.header("X-Forwarded-Host").empty();
  if (!has_host) out.emplace_back("X-Forwarded-Host", request.header("Host"));
  return out;
}

HeaderList response_headers(const http::Headers& headers) {
  HeaderList out;
  const auto named = named_by_connection(headers);
  for (const auto& [name, value] : headers) {
    if (is_one_of(name, kOfConnection) || is_one_of(name, named)) continue;
    if (equals_ignoring_case(name, "Content-Type")) continue;
    out.emplace_back(name, value);
  }
  return out;
}

std::string_view wanted_protocol(const http::Request& request) {
  const auto named = named_by_connection(request.headers);
  const bool is_asked = std::ranges::any_of(named, [](auto name) { return equals_ignoring_case(name, "upgrade"); });
  return is_asked ? request.header("Upgrade") : std::string_view();
}

}  // namespace sandboxd::orch::proxy
