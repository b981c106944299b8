// How messages look on the wire: status lines, request lines, headers, chunks. Pure; no Beast.
#pragma once

#include "http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxd::http {

[[nodiscard]] std::string_view reason_phrase(int status);

enum class BodyFraming { length, chunked, until_close, none, switched };  // switched: no HTTP follows

struct ResponseHead {
  BodyFraming framing = BodyFraming::length;
  std::uint64_t body_bytes = 0;  // with `length`
  bool keep_alive = true;
  bool is_http_1_1 = true;
  std::string_view request_id;
  bool passes_request_id = false;  // the answer's own X-Request-Id goes through
};

// Everything up to and with the empty line. Control characters in header values, which would end the header early,
// become spaces; a header whose name is no token is left out, and so are those that the server alone writes
// (Content-Length, Transfer-Encoding, Connection, and X-Request-Id unless it is to pass).
[[nodiscard]] std::string format_head(const Response& response, const ResponseHead& head);

// What stands before the bytes of a chunk of this size, which must not be 0 (that is the end); CRLF follows the bytes.
[[nodiscard]] std::string chunk_prefix(std::size_t size);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

[[nodiscard]] bool is_token(std::string_view text);  // RFC 9110, section 5.6.2: methods and header names

// A request id that may be echoed: 1 to 64 of [A-Za-z0-9_.-].
[[nodiscard]] bool is_request_id(std::string_view text);

// Names an error to programs; the code is one of base/error.hpp, whatever the body looks like.
inline constexpr std::string_view kErrorHeader = "X-Sandboxd-Error";
// The code of an error of which only the status is known.
[[nodiscard]] std::string_view error_name(int status);

// The body of an error where no dialect gives it a shape: {"error": message}.
[[nodiscard]] Response default_error(int status, std::string_view message);

}  // namespace sandboxd::http
