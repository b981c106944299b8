// The sandboxd-o way to authenticate: `Authorization: Bearer <token>`, the scheme word optional and case-insensitive,
// surrounding white space ignored. Compared in constant time.
#pragma once

#include "http/message.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::http {

// True when `given` equals `expected`, in a time that depends on the length of `given` only.
[[nodiscard]] bool equal_in_constant_time(std::string_view given, std::string_view expected);

// The token of an Authorization header, without its scheme word.
[[nodiscard]] std::string_view bearer_token(std::string_view header);

// For ServerOptions::authenticate: refuses with 401 {"error":"unauthorized"}. An empty token is no check at all:
// callers allow that on loopback listeners only.
[[nodiscard]] std::function<std::optional<Response>(const Request&)> bearer_auth(std::string token);

}  // namespace sandboxd::http
