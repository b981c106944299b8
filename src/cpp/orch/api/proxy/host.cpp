#include "orch/api/proxy/host.hpp"

#include "http/target.hpp"
#include "http/text.hpp"

#include <algorithm>

namespace sandboxd::orch::proxy {

std::optional<std::string> label_of(std::string_view host, std::string_view base_domain) {
  constexpr int kAnyPort = 80;
  const auto authority = http::parse_authority(host, kAnyPort);
  if (!authority) return std::nullopt;
  std::string_view name = authority->host;
  if (name.ends_with('.')) name.remove_suffix(1);  // the root of all domains may be written
  std::string suffix = ".";
  for (const char c : base_domain) suffix += http::ascii_lower(c);
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  const bool is_label = !name.empty() && std::ranges::all_of(name, [](char c) {
    return http::is_alphanumeric(c) || c == '-' || c == '_';
  });
  if (!is_label) return std::nullopt;
  return std::string(name);
}

}  // namespace sandboxd::orch::proxy
