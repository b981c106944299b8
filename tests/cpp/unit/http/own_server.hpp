// A server with routes of the test's own, and a client, on one thread.
#pragma once

#include "aio/io_runtime.hpp"
#include "fixture.hpp"
#include "http/client.hpp"
#include "http/server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <memory>
#include <string>
#include <utility>

namespace sandboxd::http::test {

class OwnServer {
 public:
  OwnServer(Router router, ServerOptions options) {
    client = std::make_unique<Client>(runtime.context().get_executor());
    server = std::make_unique<Server>(runtime.context().get_executor(), std::move(router), std::move(options));
    const auto started = server->start();
    EXPECT_TRUE(started);
    runtime.start();
  }
  explicit OwnServer(Router router) : OwnServer(std::move(router), {}) {}
  ~OwnServer() {
    if (stops_by_itself) stop(Duration::zero());
    run(drop_client(this));
    runtime.stop();
  }
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;

  void stop(Duration drain) { runtime.run(server->stop(drain)); }
  [[nodiscard]] int port() const { return server->port(); }
  template <class T>
  T run(Task<T> task) {
    return boost::asio::co_spawn(runtime.context(), std::move(task), boost::asio::use_future).get();
  }
  [[nodiscard]] ClientRequest request(std::string method, std::string target) const {
    ClientRequest made;
    made.host = "127.0.0.1";
    made.port = port();
    made.method = std::move(method);
    made.target = std::move(target);
    made.timeout = kPatience;
    return made;
  }

  aio::IoRuntime runtime{"http-own"};
  std::unique_ptr<Client> client;
  std::unique_ptr<Server> server;
  bool stops_by_itself = true;

 private:
  static Task<void> drop_client(OwnServer* self) {
    self->client.reset();
    co_return;
  }
};

inline Response plain(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

}  // namespace sandboxd::http::test
