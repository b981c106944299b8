#include "orch/api/opensbx/auth.hpp"

#include "orch/api/opensbx/errors.hpp"

namespace sandboxd::orch::opensbx {

bool owns(std::string_view path) { return path == "/v1" || path.starts_with("/v1/"); }

std::optional<http::Response> authenticate(const http::TokenSet& tokens, const http::Request& request) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view header = request.header("Authorization");
  const bool is_bearer = header.starts_with(kScheme);
  if (tokens.accepts(is_bearer ? header.substr(kScheme.size()) : std::string_view())) return std::nullopt;
  return unauthorized();
}

}  // namespace sandboxd::orch::opensbx
