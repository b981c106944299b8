// A small pooled HTTP/1.1 client on the core thread: kept-alive connections per address, bounded, with deadlines.
#pragma once

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "http/byte_stream.hpp"
#include "http/message.hpp"
#include "http/web_socket.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxd::http {

struct ClientOptions {
  std::size_t idle_per_host_max = 64;
  std::size_t idle_total_max = 4096;
  Duration idle_timeout = std::chrono::seconds(30);  // shorter than any server's, or requests meet closed connections
  Duration connect_timeout = std::chrono::seconds(5);
};

struct ClientRequest {
  std::string host;  // IP address; IPv6 without brackets
  int port = 0;
  std::string method = "GET";
  std::string target = "/";                                  // percent-encoded, with the query
  std::vector<std::pair<std::string, std::string>> headers;  // beside Host, User-Agent and Content-Length
  std::string body;
  // Instead of `body`; sent while it is read, chunked unless it says its length. An answer that comes before its end
  // ends it.
  std::shared_ptr<BodyReader> body_stream = {};
  // Of open_stream(): the answer is there as soon as its header is, while the body is still sent. A refusal (400 and
  // above) ends the body, and so does the stream's end.
  bool is_duplex = false;
  std::string host_header = {};                 // empty: host and port
  std::string user_agent = "sandboxd";          // empty: none
  Duration timeout = std::chrono::seconds(10);  // of the whole exchange; with `body_stream`, between its pieces
  std::size_t body_bytes_max = limits::kHttpBodyBytesMax;
};

struct ClientResponse {
  int status = 0;
  std::string content_type;
  Headers headers;  // all of them
  std::string body;
};

// A response whose body is read as it arrives. Destroyed after its end, it leaves its connection to the next request;
// before, it closes it.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // The next bytes, as they arrive and not before they are asked for: a reader that pauses makes the sender wait.
  // nullopt at the regular end. Errors: unavailable, protocol_error, deadline_exceeded when nothing came for `idle`;
  // after an error the stream is over. At most one call at a time.
  [[nodiscard]] virtual Task<Result<std::optional<std::string>>> next(Duration idle) = 0;
  // Instead of next(), before it: the body, if all of it came along with the header, as short ones do.
  [[nodiscard]] virtual std::optional<std::string> take_whole() = 0;
  [[nodiscard]] virtual int status() const = 0;
  [[nodiscard]] virtual const std::string& content_type() const = 0;
  [[nodiscard]] virtual const Headers& headers() const = 0;
  [[nodiscard]] std::string_view header(std::string_view name) const {  // the first, or empty
    const auto found = headers().find(name);
    return found == headers().end() ? std::string_view() : std::string_view(found->second);
  }
  // What the header says of the body; nullopt when it does not (chunks, or up to the connection's end).
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const = 0;
  // The connection, after an answer with status 101; the stream is over then. nullptr for other answers.
  [[nodiscard]] virtual std::shared_ptr<ByteStream> take_over() = 0;
  // Of a duplex request whose body is still sent: what waits until it is not, and may outlive the stream. Else empty.
  [[nodiscard]] virtual std::function<Task<void>()> rest_of_request() const = 0;
};

// A server's answer as a body of ours. An error of `from` leaves next() as an exception, so that nobody takes a body
// that was cut off for a whole one.
[[nodiscard]] std::shared_ptr<BodyStream> pass_on(std::unique_ptr<ClientStream> from, Duration idle);

// All functions on the executor's one thread. Destroying the client closes its idle connections; exchanges under way
// go on. A cancelled call closes its connection and throws operation_aborted.
class Client {
 public:
  explicit Client(boost::asio::any_io_executor executor, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // A request on a reused connection that the server had closed meanwhile is repeated once on a new one, for GET and
  // DELETE only. Errors: unavailable (refused, reset), deadline_exceeded, too_large, protocol_error, invalid_argument
  // (the request itself), resource_exhausted (no file descriptors).
  [[nodiscard]] Task<Result<ClientResponse>> send(ClientRequest request);
  // The header is complete when it returns; `timeout` covers connecting and the header.
  // Headers may ask for another protocol (Connection and Upgrade).
  [[nodiscard]] Task<Result<std::unique_ptr<ClientStream>>> open_stream(ClientRequest request);
  // On a connection of its own. A refusal is the error that the server names, or that its status means.
  [[nodiscard]] Task<Result<std::shared_ptr<WebSocket>>> open_web_socket(ClientRequest request,
                                                                         WebSocketOptions options);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sandboxd::http
