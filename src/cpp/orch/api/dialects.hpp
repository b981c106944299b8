// Which API dialects a listener serves, and whose words it speaks outside their routes. Part of the composition root.
#pragma once

#include "http/bearer_auth.hpp"
#include "http/server.hpp"
#include "orch/api/opensbx/context.hpp"
#include "orch/config.hpp"

#include <memory>
#include <string_view>

namespace sandboxd::orch {

[[nodiscard]] bool serves(const OrchConfig& config, std::string_view dialect);

// Every token that clients may use, whichever dialect's.
void replace_tokens(http::TokenSet& tokens, const OrchConfig& config);

// Authentication, errors and unknown paths, in the words of the dialect that the path belongs to.
void speak(http::ServerOptions& options, const OrchConfig& config, std::shared_ptr<const http::TokenSet> tokens);

[[nodiscard]] opensbx::Settings opensbx_settings(const OrchConfig& config);

}  // namespace sandboxd::orch
