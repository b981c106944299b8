#include "orch/api/opensbx/errors.hpp"

#include "codec/json.hpp"
#include "http/wire.hpp"

namespace sandboxd::orch::opensbx {
namespace {

std::string_view code_of(int status) {
  switch (status) {
    case 401: return "UNAUTHORIZED";
    case 403: return "FORBIDDEN";
    case 404: return "NOT_FOUND";
    case 408: return "TIMEOUT";
    case 409: return "CONFLICT";
    case 413: return "PAYLOAD_TOO_LARGE";
    case 429: return "RATE_LIMITED";
    case 503: return "UNAVAILABLE";
    default: return status < 500 ? "BAD_REQUEST" : "INTERNAL_ERROR";
  }
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return 400;
    case ErrorCode::permission_denied: return 403;
    case ErrorCode::not_found: return 404;
    case ErrorCode::deadline_exceeded: return 408;
    case ErrorCode::already_exists:
    case ErrorCode::conflict: return 409;
    case ErrorCode::too_large: return 413;
    case ErrorCode::resource_exhausted: return 429;
    case ErrorCode::unavailable: return 503;
    default: return 500;
  }
}

}  // namespace

http::Response error_response(int status, std::string_view message) {
  codec::json::object body;
  body["code"] = code_of(status);
  body["message"] = message;
  http::Response response;
  response.status = status;
  response.body = codec::write_json(body);
  response.headers.emplace_back(http::kErrorHeader, http::error_name(status));
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

http::Response bad_request(const Error& error) { return error_response(400, error.message()); }
http::Response failed(const Error& error) { return error_response(status_of(error.code()), error.message()); }
http::Response no_route() { return error_response(404, "route not found"); }
http::Response unauthorized() { return error_response(401, "invalid or missing api key"); }

}  // namespace sandboxd::orch::opensbx
