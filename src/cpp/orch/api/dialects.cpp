#include "orch/api/dialects.hpp"

#include "orch/api/opensbx/auth.hpp"
#include "orch/api/opensbx/errors.hpp"
#include "orch/api/sandboxd_o/errors.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace sandboxd::orch {

bool serves(const OrchConfig& config, std::string_view dialect) {
  return std::ranges::find(config.dialects, dialect) != config.dialects.end();
}

void replace_tokens(http::TokenSet& tokens, const OrchConfig& config) {
  std::vector<std::string> more = config.more_tokens;
  more.push_back(config.api_key);
  tokens.replace(config.token.empty() ? config.api_key : config.token, more);
}

void speak(http::ServerOptions& options, const OrchConfig& config, std::shared_ptr<const http::TokenSet> tokens) {
  const bool has_opensbx = serves(config, opensbx::kDialect);
  options.is_guarded = [tokens] { return !tokens->empty(); };
  options.authenticate = [tokens, has_opensbx, bearer = http::bearer_auth(tokens)](const http::Request& request) {
    return has_opensbx && opensbx::owns(request.path) ? opensbx::authenticate(*tokens, request) : bearer(request);
  };
  options.error_response = [has_opensbx](int status, std::string_view message, const http::Request& request) {
    return has_opensbx && opensbx::owns(request.path) ? opensbx::error_response(status, message)
                                                      : sandboxd_o::error_response(status, message);
  };
  if (!has_opensbx) return;
  options.no_route = [](const http::Request& request) -> std::optional<http::Response> {
    if (!opensbx::owns(request.path)) return std::nullopt;
    return opensbx::no_route();
  };
}

opensbx::Settings opensbx_settings(const OrchConfig& config) {
  opensbx::Settings out;
  out.urls.base_domain = config.base_domain;
  out.urls.proxy_address = config.proxy_listen.substr(0, config.proxy_listen.find(','));
  out.is_strict = config.opensbx_strict;
  out.request_percent = config.opensbx_request_percent;
  return out;
}

}  // namespace sandboxd::orch
