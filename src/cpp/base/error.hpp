// What went wrong, as a value.
//
// Every fallible function returns Result<T> (result.hpp) with an Error inside. Foreign errors (errno, gRPC status,
// SQLite codes, Asio error codes) become an Error once, in the adapter that met them. An Error says what is wrong and
// where; callers add context on the way up. Values only: safe on every thread.
#pragma once

#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd {

// A closed set. Whether a code is worth retrying and which HTTP status it becomes is decided here and nowhere else.
enum class ErrorCode {
  invalid_argument,    // the caller's input is wrong; nothing was changed
  not_found,           // no such object
  already_exists,      // an object with that id or name is there
  conflict,            // the object's state does not allow this now
  unauthenticated,     // no or wrong credentials
  permission_denied,   // the operating system or a policy said no
  unschedulable,       // no node fits; reasons() has one line per node
  resource_exhausted,  // a limit, a full queue, no capacity
  unavailable,         // a part of the system cannot be reached now
  deadline_exceeded,   // not done within its time; the outcome may be unknown
  cancelled,           // given up on request
  too_large,           // more bytes than the stated limit
  image_failed,        // an image is missing, malformed or cannot be pulled
  runtime_failed,      // the container runtime refused or broke
  network_failed,      // namespaces, CNI, nftables
  storage_failed,      // the database or the disk
  protocol_error,      // a peer spoke nonsense
  unsupported,         // a request this installation cannot serve
  internal,            // our own mistake
};

[[nodiscard]] std::string_view to_string(ErrorCode code);
[[nodiscard]] std::optional<ErrorCode> parse_error_code(std::string_view text);

// The HTTP status for `code`. Dialects may override single cases in their errors.cpp.
[[nodiscard]] int http_status(ErrorCode code);

// True when the same call may succeed later without anybody changing the input.
[[nodiscard]] bool is_retryable(ErrorCode code);

class Error {
 public:
  Error() = default;  // `internal`, without a message: needed by result types, not for use
  Error(ErrorCode code, std::string message, std::source_location where = std::source_location::current());

  [[nodiscard]] ErrorCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  // Details in lines, such as one refusal per node.
  [[nodiscard]] const std::vector<std::string>& reasons() const { return reasons_; }
  [[nodiscard]] const std::source_location& where() const { return where_; }

  // "<context>: <message>", with the same code, reasons and origin.
  [[nodiscard]] Error with_context(std::string_view context) const;
  [[nodiscard]] Error with_reasons(std::vector<std::string> reasons) const;

  friend bool operator==(const Error& left, const Error& right) {
    return left.code_ == right.code_ && left.message_ == right.message_;
  }

 private:
  ErrorCode code_ = ErrorCode::internal;
  std::string message_;
  std::vector<std::string> reasons_;
  std::source_location where_;
};

// An Error for a failed system call: "<what>: <strerror(number)>". The code follows errno (ENOENT: not_found, EEXIST:
// already_exists, ENOSPC: storage_failed, EACCES and EPERM: permission_denied, ...), else `fallback`.
[[nodiscard]] Error errno_error(int number, std::string_view what, ErrorCode fallback = ErrorCode::internal,
                                std::source_location where = std::source_location::current());

}  // namespace sandboxd
