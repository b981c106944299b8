#include "base/error.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace sandboxd {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::already_exists: return "already_exists";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::unauthenticated: return "unauthenticated";
    case ErrorCode::permission_denied: return "permission_denied";
    case ErrorCode::unschedulable: return "unschedulable";
    case ErrorCode::resource_exhausted: return "resource_exhausted";
    case ErrorCode::unavailable: return "unavailable";
    case ErrorCode::deadline_exceeded: return "deadline_exceeded";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::too_large: return "too_large";
    case ErrorCode::image_failed: return "image_failed";
    case ErrorCode::runtime_failed: return "runtime_failed";
    case ErrorCode::network_failed: return "network_failed";
    case ErrorCode::storage_failed: return "storage_failed";
    case ErrorCode::protocol_error: return "protocol_error";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

std::optional<ErrorCode> parse_error_code(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    if (to_string(code) == text) return code;
  }
  return std::nullopt;
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return 400;
    case ErrorCode::unauthenticated: return 401;
    case ErrorCode::permission_denied: return 403;
    case ErrorCode::not_found: return 404;
    case ErrorCode::already_exists:
    case ErrorCode::conflict: return 409;
    case ErrorCode::too_large: return 413;
    case ErrorCode::unschedulable:
    case ErrorCode::resource_exhausted: return 429;
    case ErrorCode::unsupported: return 501;
    case ErrorCode::protocol_error: return 502;
    case ErrorCode::unavailable:
    case ErrorCode::cancelled: return 503;
    case ErrorCode::deadline_exceeded: return 504;
    case ErrorCode::image_failed:
    case ErrorCode::runtime_failed:
    case ErrorCode::network_failed:
    case ErrorCode::storage_failed:
    case ErrorCode::internal: return 500;
  }
  return 500;
}

bool is_retryable(ErrorCode code) {
  switch (code) {
    case ErrorCode::unschedulable:
    case ErrorCode::resource_exhausted:
    case ErrorCode::unavailable:
    case ErrorCode::deadline_exceeded:
    case ErrorCode::storage_failed: return true;
    default: return false;
  }
}

Error::Error(ErrorCode code, std::string message, std::source_location where)
    : code_(code), message_(std::move(message)), where_(where) {}

Error Error::with_context(std::string_view context) const {
  Error wrapped = *this;
  wrapped.message_ = std::string(context) + ": " + message_;
  return wrapped;
}

Error Error::with_reasons(std::vector<std::string> reasons) const {
  Error detailed = *this;
  detailed.reasons_ = std::move(reasons);
  return detailed;
}

Error errno_error(int number, std::string_view what, ErrorCode fallback, std::source_location where) {
  ErrorCode code = fallback;
  switch (number) {
    case ENOENT: code = ErrorCode::not_found; break;
    case EEXIST: code = ErrorCode::already_exists; break;
    case EACCES:
    case EPERM: code = ErrorCode::permission_denied; break;
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EROFS: code = ErrorCode::storage_failed; break;
    case EMFILE:
    case ENFILE:
    case ENOMEM: code = ErrorCode::resource_exhausted; break;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE: code = ErrorCode::unavailable; break;
    case ETIMEDOUT: code = ErrorCode::deadline_exceeded; break;
    default: break;
  }
  return {code, std::string(what) + ": " + std::generic_category().message(number), where};
}

}  // namespace sandboxd
