// An HTTP/1.1 server on one listener, on the core thread.
//
// Bounded in everything: header and body sizes, times for header, body, write and idle connections, number of
// connections. Refuses browser requests from other origins, and unknown Host names where no token is wanted (DNS
// rebinding). A handler's exception is logged and answered with 500; it never ends the server.
#pragma once

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "http/access_log.hpp"
#include "http/router.hpp"
#include "http/traffic.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::http {

struct ServerOptions {
  std::string address = "127.0.0.1";
  int port = 0;  // 0: the system chooses
  // Called before handlers of routes that need it; a response refuses the request (401). Empty: no authentication.
  std::function<std::optional<Response>(const Request&)> authenticate;
  // Whether `authenticate` wants a token now: then requests may come under any host name. Empty: no.
  std::function<bool()> is_guarded;
  // The body of an error that the server itself produces (400, 403, 408, 413, 431, 500, 503), in the dialect's shape.
  // Empty: {"error": message}. The request holds what was read of it, which may be nothing.
  std::function<Response(int status, std::string_view message, const Request&)> error_response;
  // The answer for a path without a route; nothing: a plain 404. Empty: always that.
  std::function<std::optional<Response>(const Request&)> no_route;
  bool check_origin = true;    // Host and Origin checks; off for public proxy listeners
  bool names_requests = true;  // X-Request-Id in answers; off where answers are somebody else's
  std::string log_name = "http";
  AccessLog access_log = AccessLog::changes;
  std::shared_ptr<Traffic> traffic = std::make_shared<Traffic>();  // what is done, for whoever wants to know

  // Bounds; tests shorten them. Times are checked in steps of a quarter of the shortest (at most one second), so that a
  // connection costs no timer of its own.
  std::size_t header_bytes_max = limits::kHttpHeaderBytesMax;
  // Also bounded by three quarters of the file descriptors that this process may open. At the limit a new connection
  // takes the place of the one that has been idle for longest, if that is at least `idle_grace`.
  std::size_t connections_max = limits::kHttpConnectionsMax;
  Duration idle_grace = limits::kHttpIdleGrace;
  Duration header_timeout = limits::kHttpHeaderTimeout;  // from a request's first byte to the end of its header
  Duration body_timeout = limits::kHttpBodyTimeout;
  Duration idle_timeout = limits::kHttpIdleTimeout;    // between requests, and before the first
  Duration write_timeout = limits::kHttpWriteTimeout;  // of one answer, or of one piece of a stream
};

// All functions on the executor's one thread. stop() must have returned before the server is destroyed while the
// executor runs; an executor that has stopped for good may be left with suspended sessions.
class Server {
 public:
  Server(boost::asio::any_io_executor executor, Router router, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds and starts to accept. Errors: unavailable ("address already in use" with the address), permission_denied,
  // invalid_argument (not an IP address or port).
  [[nodiscard]] Result<void> start();
  [[nodiscard]] int port() const;
  void set_access_log(AccessLog access_log);

  // Stops accepting, ends streams in good order, waits up to `drain` for requests in flight, then cancels their
  // handlers and returns when the last of them has ended. May be called again.
  [[nodiscard]] Task<void> stop(Duration drain);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sandboxd::http
