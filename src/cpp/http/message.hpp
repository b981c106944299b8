// What handlers see of HTTP: requests, responses, routes. No Beast in here; only http/*.cpp include it.
#pragma once

#include "base/limits.hpp"
#include "base/task.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxd::http {

// ASCII case-insensitive ordering for header names.
struct HeaderLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const;
};
using Headers = std::multimap<std::string, std::string, HeaderLess>;

struct Request {
  std::string method;  // upper case
  std::string target;  // as sent, with the query
  std::string path;    // as sent, without the query; not decoded
  Headers headers;
  std::map<std::string, std::string> parameters;  // "{name}" of the route, percent-decoded
  std::multimap<std::string, std::string> query;  // percent-decoded
  std::string body;
  std::string peer_address;
  std::string request_id;  // also sent back as X-Request-Id

  // The first value, or empty.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::optional<std::string> query_value(const std::string& name) const;
  // "{name}" of the route; the route guarantees that it exists.
  [[nodiscard]] const std::string& parameter(const std::string& name) const;
};

// A body that is sent piece by piece (server-sent events). Destroyed when the client goes away or the end is reached.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // The next piece, or nullopt at the end. Is cancelled when the client disconnects or the server stops.
  [[nodiscard]] virtual Task<std::optional<std::string>> next() = 0;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<BodyStream> stream;  // when set, `body` is ignored and the answer is chunked
};

using Handler = std::function<Task<Response>(Request)>;

// Called after authentication and before the body is read; a response refuses the request.
using Admission = std::function<std::optional<Response>(const Request&)>;

struct Route {
  std::string method;
  std::string pattern;  // "/api/v1/sandboxes/{id}"; a last segment "{name...}" takes the rest of the path
  Handler handler;
  bool needs_auth = true;
  std::size_t body_bytes_max = limits::kHttpBodyBytesMax;
  Admission admit = {};  // empty: everybody
};

// Malformed escapes stay as they are; '+' is no space here.
[[nodiscard]] std::string percent_decode(std::string_view text);
[[nodiscard]] std::string percent_encode(std::string_view text);  // everything but unreserved characters

}  // namespace sandboxd::http
