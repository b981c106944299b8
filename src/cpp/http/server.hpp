// An HTTP/1.1 server on one listener, on the core thread.
//
// Bounded in everything: header and body sizes, times for header, body, write and idle connections, number of
// connections. Refuses browser requests from other origins and unknown Host names on loopback listeners (DNS
// rebinding). A handler's exception is logged and answered with 500; it never ends the server.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "http/router.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sandboxd::http {

struct ServerOptions {
  std::string address = "127.0.0.1";
  int port = 0;  // 0: the system chooses
  // Called before handlers of routes that need it; a response refuses the request (401). Empty: no authentication.
  std::function<std::optional<Response>(const Request&)> authenticate;
  // The body of an error that the server itself produces (413, 431, 500, 503), in the dialect's shape.
  std::function<Response(int status, std::string_view message, const Request&)> error_response;
  bool check_origin = true;  // Host and Origin checks; off for public proxy listeners
  std::string log_name = "http";
};

class Server {
 public:
  Server(boost::asio::any_io_executor executor, Router router, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds and starts to accept. Errors: unavailable ("address already in use" with the address), permission_denied.
  [[nodiscard]] Result<void> start();
  [[nodiscard]] int port() const;

  // Stops accepting, ends streams, waits up to `drain` for requests in flight, then closes what is left.
  [[nodiscard]] Task<void> stop(Duration drain);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sandboxd::http
