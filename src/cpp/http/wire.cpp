#include "http/wire.hpp"

#include "base/error.hpp"
#include "http/text.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace sandboxd::http {
namespace {

void append_value(std::string& out, std::string_view value) {
  for (const char c : value) out += is_control(c) && c != '\t' ? ' ' : c;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  append_value(out, value);
  out += "\r\n";
}

// Headers that the server alone writes.
bool is_reserved(std::string_view name) {
  return equals_ignoring_case(name, "Content-Length") || equals_ignoring_case(name, "Transfer-Encoding") ||
         equals_ignoring_case(name, "Connection");
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Status";
  }
}

std::string format_head(const Response& response, const ResponseHead& head) {
  std::string out;
  out.reserve(256);
  out += head.is_http_1_1 ? "HTTP/1.1 " : "HTTP/1.0 ";
  out += std::to_string(response.status);
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\n";
  if (!response.content_type.empty() && head.framing != BodyFraming::none) {
    append_header(out, "Content-Type", response.content_type);
  }
  switch (head.framing) {
    case BodyFraming::length: append_header(out, "Content-Length", std::to_string(head.body_bytes)); break;
    case BodyFraming::chunked: out += "Transfer-Encoding: chunked\r\n"; break;
    case BodyFraming::until_close:
    case BodyFraming::switched:
    case BodyFraming::none: break;
  }
  if (head.framing == BodyFraming::switched) {
    out += "Connection: Upgrade\r\n";
  } else if (!head.keep_alive) {
    out += "Connection: close\r\n";
  } else if (!head.is_http_1_1) {
    out += "Connection: keep-alive\r\n";
  }
  if (!head.request_id.empty()) append_header(out, "X-Request-Id", head.request_id);
  for (const auto& [name, value] : response.headers) {
    const bool is_ours = is_reserved(name) || (!head.passes_request_id && equals_ignoring_case(name, "X-Request-Id"));
    if (is_token(name) && !is_ours) append_header(out, name, value);
  }
  out += "\r\n";
  return out;
}

std::string chunk_prefix(std::size_t size) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
  return std::string(digits.data(), end) + "\r\n";
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

std::string_view error_name(int status) {
  switch (status) {
    case 401: return to_string(ErrorCode::unauthenticated);
    case 403: return to_string(ErrorCode::permission_denied);
    case 404: return to_string(ErrorCode::not_found);
    case 408:
    case 504: return to_string(ErrorCode::deadline_exceeded);
    case 409:
    case 410: return to_string(ErrorCode::conflict);
    case 413:
    case 431: return to_string(ErrorCode::too_large);
    case 429: return to_string(ErrorCode::resource_exhausted);
    case 501: return to_string(ErrorCode::unsupported);
    case 502:
    case 503: return to_string(ErrorCode::unavailable);
    default: return to_string(status < 500 ? ErrorCode::invalid_argument : ErrorCode::internal);
  }
}

Response default_error(int status, std::string_view message) {
  Response response;
  response.status = status;
  response.headers.emplace_back(kErrorHeader, error_name(status));
  response.body = boost::json::serialize(boost::json::value{{"error", message}});
  return response;
}

}  // namespace sandboxd::http
