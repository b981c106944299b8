// This dialect's errors: {"code", "message"}, and which code and status a failure gets.
#pragma once

#include "base/error.hpp"
#include "http/message.hpp"

#include <string_view>

namespace sandboxd::orch::opensbx {

// With the code that belongs to `status`.
[[nodiscard]] http::Response error_response(int status, std::string_view message);
[[nodiscard]] http::Response bad_request(const Error& error);
// What a use case refused. 400, 404, 408 and 409 as their codes say, 429 and 503 for overload, everything else 500.
[[nodiscard]] http::Response failed(const Error& error);
// For routes that are not there, whatever the method.
[[nodiscard]] http::Response no_route();
[[nodiscard]] http::Response unauthorized();

}  // namespace sandboxd::orch::opensbx
