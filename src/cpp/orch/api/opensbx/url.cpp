#include "orch/api/opensbx/url.hpp"

#include "base/endpoint.hpp"

namespace sandboxd::orch::opensbx {
namespace {

// ":3000" of ":3000", "127.0.0.1:3000" and "[::1]:3000"; nothing for ":80", ":443" and what has no port.
std::string_view port_part(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view port = address.substr(colon);
  return port == ":80" || port == ":443" || port == ":" ? std::string_view() : port;
}

}  // namespace

std::string normal_domain(std::string_view base_domain) {
  constexpr std::string_view kBlanks = " \t\r\n[]";
  const std::size_t first = base_domain.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return "localhost";
  return std::string(base_domain.substr(first, base_domain.find_last_not_of(kBlanks) - first + 1));
}

bool is_local_domain(std::string_view base_domain) {
  const std::string domain = normal_domain(base_domain);
  return domain == "localhost" || domain.ends_with(".localhost") || is_loopback(domain);
}

std::string sandbox_url(std::string_view name, std::string_view base_domain, std::string_view proxy_address) {
  if (name.empty()) return {};
  const std::string domain = normal_domain(base_domain);
  const std::string host = std::string(name) + "." + domain;
  if (!is_local_domain(domain)) return "https://" + host;
  return "http://" + host + std::string(port_part(proxy_address));
}

}  // namespace sandboxd::orch::opensbx
