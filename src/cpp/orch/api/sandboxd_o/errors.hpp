// The dialect's error shape: {"error":"<text>"}, and the statuses in which it differs from the common table.
#pragma once

#include "base/error.hpp"
#include "http/message.hpp"

#include <string_view>

namespace sandboxd::orch::sandboxd_o {

[[nodiscard]] http::Response error_response(int status, std::string_view text);

// The common table's status. resource_exhausted, unavailable and storage_failed also say when to try again.
[[nodiscard]] http::Response error_response(const Error& error);

// For checks on the caller's input: 400, with the original's prefix "invalid input: ".
[[nodiscard]] http::Response invalid_input(const Error& error);

// What a use case refused: invalid_input() for the caller's input, error_response() for anything else.
[[nodiscard]] http::Response service_error(const Error& error);

// For calls that a node answered or should have: 502, as the original; 429 when we did not even ask it.
[[nodiscard]] http::Response node_error(const Error& error);

}  // namespace sandboxd::orch::sandboxd_o
