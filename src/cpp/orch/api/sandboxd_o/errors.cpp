#include "orch/api/sandboxd_o/errors.hpp"

#include "http/wire.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

namespace sandboxd::orch::sandboxd_o {

namespace {

http::Response named_error(int status, std::string_view name, std::string_view text) {
  http::Response response;
  response.status = status;
  response.body = error_body(text);
  response.headers.emplace_back(http::kErrorHeader, name);
  return response;
}

}  // namespace

http::Response error_response(int status, std::string_view text) {
  return named_error(status, http::error_name(status), text);
}

http::Response error_response(const Error& error) {
  http::Response response = named_error(http_status(error.code()), to_string(error.code()), error.message());
  if (response.status == 429 || response.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

http::Response invalid_input(const Error& error) { return error_response(400, "invalid input: " + error.message()); }

http::Response service_error(const Error& error) {
  return error.code() == ErrorCode::invalid_argument ? invalid_input(error) : error_response(error);
}

http::Response node_error(const Error& error) {
  if (error.code() == ErrorCode::resource_exhausted) return error_response(error);
  return named_error(502, to_string(error.code()), error.message());
}

}  // namespace sandboxd::orch::sandboxd_o
