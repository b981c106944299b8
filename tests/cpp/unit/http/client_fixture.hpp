// A client on a thread of its own, called from the test's.
#pragma once

#include "fixture.hpp"
#include "http/client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxd::http::test {

inline constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class ClientTest : public testing::Test {
 protected:
  void SetUp() override { make_client({}); }
  void TearDown() override {
    boost::asio::post(runtime.context(), [this] { client.reset(); });
    runtime.run(nothing());
    runtime.stop();
  }

  void make_client(ClientOptions options) {
    if (!is_started) runtime.start();
    is_started = true;
    client = std::make_unique<Client>(runtime.context().get_executor(), options);
  }
  static Task<void> nothing() { co_return; }

  static ClientRequest request(int port, std::string method, std::string target) {
    ClientRequest made;
    made.host = "127.0.0.1";
    made.port = port;
    made.method = std::move(method);
    made.target = std::move(target);
    made.timeout = kPatience;
    return made;
  }

  template <class T>
  T run(Task<T> task) {
    return boost::asio::co_spawn(runtime.context(), std::move(task), boost::asio::use_future).get();
  }
  Result<ClientResponse> send(ClientRequest made) { return run(client->send(std::move(made))); }
  Result<std::unique_ptr<ClientStream>> open(ClientRequest made) { return run(client->open_stream(std::move(made))); }

  aio::IoRuntime runtime{"client-test"};
  bool is_started = false;
  std::unique_ptr<Client> client;
};

}  // namespace sandboxd::http::test
