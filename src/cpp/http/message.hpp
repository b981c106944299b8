// What handlers see of HTTP: requests, responses, routes. No Beast in here; only http/*.cpp include it.
#pragma once

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

#include <cstdint>
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

// A body that is read as it is asked for: whoever does not ask makes the sender wait. At most one call at a time.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // The next bytes, never none of them; nullopt at the regular end. Errors: too_large, deadline_exceeded (silence),
  // unavailable (the sender is gone), protocol_error, cancelled (the request is over); each is the last word.
  [[nodiscard]] virtual Task<Result<std::optional<std::string>>> next() = 0;
  // What the sender announced; nullopt when it did not (chunks).
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const = 0;
};

struct Request {
  std::string method;  // upper case
  std::string target;  // as sent, with the query
  std::string path;    // as sent, without the query; not decoded
  Headers headers;
  std::map<std::string, std::string> parameters;  // "{name}" of the route, percent-decoded
  std::multimap<std::string, std::string> query;  // percent-decoded
  std::string body;
  std::shared_ptr<BodyReader> body_reader;  // instead of `body`, on routes that ask for it; over with the handler
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
  // What goes before the piece that next() has just given, where making one of both would mean to copy it.
  [[nodiscard]] virtual std::string take_head() { return {}; }
};

class ByteStream;        // byte_stream.hpp
struct WebSocketAnswer;  // web_socket.hpp

struct Response {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<BodyStream> stream;  // when set, `body` is ignored and the answer is chunked
  // Of `stream`, which must hold exactly as many bytes; instead of chunks. In an answer to HEAD: what GET would send.
  std::optional<std::uint64_t> stream_length = {};
  // With `stream`, of a handler that answers while it still reads the request's body: the body can be read until this
  // returns. It is cancelled when the answer breaks off or the client leaves.
  std::function<Task<void>()> reads_on = {};
  // With status 101 and an Upgrade header: gets the connection, which ends with it. Cancelled when the server stops.
  std::function<Task<void>(std::shared_ptr<ByteStream>)> takes_over = {};
  // The same for a WebSocket; see accept_web_socket() in web_socket.hpp.
  std::shared_ptr<const WebSocketAnswer> web_socket = {};
};

using Handler = std::function<Task<Response>(Request)>;

// Called after authentication and before the body is read; a response refuses the request.
using Admission = std::function<std::optional<Response>(const Request&)>;

inline constexpr std::string_view kAnyMethod = "*";

struct Route {
  std::string method;   // or kAnyMethod, which stands behind a route of the same path with the method itself
  std::string pattern;  // "/api/v1/sandboxes/{id}"; a last segment "{name...}" takes the rest of the path
  Handler handler;
  bool needs_auth = true;
  std::size_t body_bytes_max = limits::kHttpBodyBytesMax;
  Admission admit = {};  // empty: everybody
  // The handler starts with the header and reads the body itself, through Request::body_reader; it is cancelled when
  // the client goes away. It may answer without having read everything: the connection is closed then.
  bool streams_body = false;
};

// Malformed escapes stay as they are; '+' is no space here.
[[nodiscard]] std::string percent_decode(std::string_view text);
[[nodiscard]] std::string percent_encode(std::string_view text);  // everything but unreserved characters

}  // namespace sandboxd::http
