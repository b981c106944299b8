#include "orch/api/sandboxd_o/errors.hpp"

#include "orch/api/sandboxd_o/wire.hpp"

namespace sandboxd::orch::sandboxd_o {

http::Response error_response(int status, std::string_view text) {
  http::Response response;
  response.status = status;
  response.body = error_body(text);
  return response;
}

http::Response error_response(const Error& error) {
  http::Response response = error_response(http_status(error.code()), error.message());
  if (response.status == 429 || response.status == 503) response.headers.emplace_back("Retry-After", "1");
  response.headers.emplace_back("X-Sandboxd-Error", std::string(to_string(error.code())));
  return response;
}

http::Response invalid_input(const Error& error) { return error_response(400, "invalid input: " + error.message()); }

http::Response service_error(const Error& error) {
  return error.code() == ErrorCode::invalid_argument ? invalid_input(error) : error_response(error);
}

http::Response node_error(const Error& error) {
  if (error.code() == ErrorCode::resource_exhausted) return error_response(error);
  http::Response response = error_response(502, error.message());
  response.headers.emplace_back("X-Sandboxd-Error", std::string(to_string(error.code())));
  return response;
}

}  // namespace sandboxd::orch::sandboxd_o
