// This dialect's way to authenticate: `Authorization: Bearer <key>`, with exactly this word and one blank.
#pragma once

#include "http/bearer_auth.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace sandboxd::orch::opensbx {

// Whether a path is this dialect's, known or not.
[[nodiscard]] bool owns(std::string_view path);
// For requests to such paths. Refuses with 401.
[[nodiscard]] std::optional<http::Response> authenticate(const http::TokenSet& tokens, const http::Request& request);

}  // namespace sandboxd::orch::opensbx
