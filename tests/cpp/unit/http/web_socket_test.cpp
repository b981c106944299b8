// WebSockets and other switched protocols, of the server and of the client.
#include "http/web_socket.hpp"

#include "http/byte_stream.hpp"
#include "own_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace sandboxd::http::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Task<void> echo(std::shared_ptr<WebSocket> socket) {
  while (true) {
    auto message = co_await socket->read();
    if (!message || !*message) co_return;
    const auto written = co_await socket->write(**std::move(message));
    if (!written) co_return;
  }
}

Task<void> fail(std::shared_ptr<WebSocket>) {
  throw std::runtime_error("planted failure");
  co_return;
}

Task<Response> accept(WebSocketRun run, WebSocketOptions options, Request request) {
  co_return accept_web_socket(std::move(request), std::move(run), std::move(options));
}

void add(Router& router, std::string pattern, WebSocketRun run, WebSocketOptions options) {
  Handler handler = [run, options](Request request) { return accept(run, options, std::move(request)); };
  ASSERT_TRUE(router.add({"GET", std::move(pattern), std::move(handler), false}));
}

Router routes() {
  Router router;
  WebSocketOptions small;
  small.message_bytes_max = 1000;
  add(router, "/echo", echo, {});
  add(router, "/small", echo, small);
  add(router, "/fail", fail, {});
  return router;
}

using Opened = Result<std::shared_ptr<WebSocket>>;
Opened open(OwnServer& server, std::string target) {
  return server.run(server.client->open_web_socket(server.request("GET", std::move(target)), {}));
}

using Read = Result<std::optional<WebSocketMessage>>;
Read ask(OwnServer& server, const std::shared_ptr<WebSocket>& socket, std::string text, bool is_text) {
  const auto written = server.run(socket->write({std::move(text), is_text}));
  EXPECT_TRUE(written) << written.error().message();
  return server.run(socket->read());
}

Task<void> drop(std::shared_ptr<WebSocket> socket) {
  socket->abort();
  co_return;
}

TEST(WebSocket, carries_text_bytes_and_empty_messages) {
  OwnServer server(routes());
  const auto socket = open(server, "/echo");
  ASSERT_TRUE(socket) << socket.error().message();
  for (const bool is_text : {true, false}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{126}, std::size_t{70'000}}) {
      const auto back = ask(server, *socket, std::string(size, 'x'), is_text);
      ASSERT_TRUE(back) << back.error().message();
      ASSERT_TRUE(*back);
      EXPECT_EQ((*back)->data, std::string(size, 'x'));
      EXPECT_EQ((*back)->is_text, is_text);
    }
  }
  server.run((*socket)->close(kCloseNormal, "bye"));
}

TEST(WebSocket, close_codes_say_why) {
  OwnServer server(routes());
  const auto large = open(server, "/small");
  ASSERT_TRUE(large);
  const auto refused = ask(server, *large, std::string(1001, 'x'), false);
  ASSERT_TRUE(refused) << refused.error().message();
  EXPECT_FALSE(*refused);
  EXPECT_EQ((*large)->peer_close().first, kCloseTooLarge);
  const auto failing = open(server, "/fail");
  ASSERT_TRUE(failing);
  const auto ended = server.run((*failing)->read());
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_FALSE(*ended);
  EXPECT_EQ((*failing)->peer_close().first, kCloseInternal);
}

TEST(WebSocket, a_stop_of_the_server_says_going_away) {
  OwnServer server(routes());
  const auto socket = open(server, "/echo");
  ASSERT_TRUE(socket);
  auto reading = boost::asio::co_spawn(server.runtime.context(), (*socket)->read(), boost::asio::use_future);
  server.stop(kPatience);
  server.stops_by_itself = false;
  const auto ended = reading.get();
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ((*socket)->peer_close().first, kCloseGoingAway);
  server.run(drop(*socket));
}

TEST(WebSocket, a_peer_that_answers_no_ping_is_given_up) {
  std::promise<ErrorCode> outcome;
  WebSocketOptions options;
  options.ping_interval = std::chrono::milliseconds(50);
  struct Run {
    static Task<void> read(std::shared_ptr<WebSocket> socket, std::promise<ErrorCode>* outcome) {
      const auto message = co_await socket->read();
      outcome->set_value(message ? ErrorCode::internal : message.error().code());
    }
  };
  Router router;
  add(router, "/", [&](std::shared_ptr<WebSocket> socket) { return Run::read(std::move(socket), &outcome); }, options);
  OwnServer server(std::move(router));
  RawClient client(server.port());
  client.send(
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  // The example of RFC 6455, section 1.3.
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  auto future = outcome.get_future();
  ASSERT_TRUE(arrives(future));
  EXPECT_EQ(future.get(), ErrorCode::deadline_exceeded);
}

TEST(WebSocket, what_is_no_upgrade_and_other_origins_are_refused) {
  OwnServer server(routes());
  RawClient client(server.port());
  const std::string answer = client.ask("GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 426"));
  ClientRequest request = server.request("GET", "/echo");
  request.headers.emplace_back("Origin", "http://evil.example");
  const auto refused = server.run(server.client->open_web_socket(std::move(request), {}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::permission_denied);
}

TEST(WebSocket, two_of_them_are_joined_with_messages_and_close_codes) {
  OwnServer back(routes());
  Router router;
  // Each server has a thread of its own; the joined sockets both belong to the front's.
  OwnServer* const backend = &back;
  std::unique_ptr<OwnServer> front;
  struct Join {
    static Task<void> run(OwnServer* server, int port, std::shared_ptr<WebSocket> left) {
      ClientRequest request;
      request.host = "127.0.0.1";
      request.port = port;
      request.target = "/small";
      auto right = co_await server->client->open_web_socket(std::move(request), {});
      if (!right) co_return;
      co_await join_web_sockets(std::move(left), *std::move(right));
    }
  };
  add(router, "/joined",
      [&front, backend](std::shared_ptr<WebSocket> left) {
        return Join::run(front.get(), backend->port(), std::move(left));
      },
      {});
  front = std::make_unique<OwnServer>(std::move(router));
  const auto socket = open(*front, "/joined");
  ASSERT_TRUE(socket) << socket.error().message();
  const auto answer = ask(*front, *socket, "through", true);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->data, "through");
  const auto refused = ask(*front, *socket, std::string(1001, 'x'), false);
  ASSERT_TRUE(refused) << refused.error().message();
  EXPECT_FALSE(*refused);
  EXPECT_EQ((*socket)->peer_close().first, kCloseTooLarge);
}

// ---- other protocols

struct Shout {  // answers each piece with the same, until the end
  static Task<void> run(std::shared_ptr<ByteStream> stream) {
    while (true) {
      auto piece = co_await stream->read(1024);
      if (!piece || piece->empty()) co_return;
      const auto written = co_await stream->write("<" + *piece + ">");
      if (!written) co_return;
    }
  }
  static Task<Response> answer(Request) {
    Response response;
    response.status = 101;
    response.headers.emplace_back("Upgrade", "shout");
    response.takes_over = run;
    co_return response;
  }
  static Task<void> pass(std::shared_ptr<ByteStream> left, std::shared_ptr<ByteStream> right) {
    co_await tunnel(std::move(left), std::move(right), Duration::zero());
  }
  static Task<Response> forward(OwnServer* front, int port, Request request) {
    ClientRequest onward;
    onward.host = "127.0.0.1";
    onward.port = port;
    onward.target = "/shout";
    onward.headers = {{"Connection", "Upgrade"}, {"Upgrade", std::string(request.header("Upgrade"))}};
    auto answered = co_await front->client->open_stream(std::move(onward));
    if (!answered) co_return plain(502, answered.error().message());
    const std::shared_ptr<ByteStream> right = (*answered)->take_over();
    if (!right) co_return plain(502, "no switch");
    Response response;
    response.status = 101;
    response.headers.emplace_back("Upgrade", "shout");
    response.takes_over = [right](std::shared_ptr<ByteStream> left) { return pass(std::move(left), right); };
    co_return response;
  }
};

TEST(SwitchedProtocol, bytes_go_both_ways_and_ends_are_passed_on) {
  Router back_routes;
  ASSERT_TRUE(back_routes.add({"GET", "/shout", Shout::answer, false}));
  OwnServer back(std::move(back_routes));
  std::unique_ptr<OwnServer> front;
  Router front_routes;
  const int port = back.port();
  ASSERT_TRUE(front_routes.add(
      {"GET", "/", [&front, port](Request request) { return Shout::forward(front.get(), port, std::move(request)); },
       false}));
  front = std::make_unique<OwnServer>(std::move(front_routes));
  RawClient client(front->port());
  // The first bytes come with the request.
  client.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\none");
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(head, HasSubstr("Connection: Upgrade\r\n"));
  EXPECT_THAT(head, HasSubstr("Upgrade: shout\r\n"));
  EXPECT_EQ(client.read_until(">"), "<one>");
  client.send("two");
  EXPECT_EQ(client.read_until(">"), "<two>");
  client.shut_down_sending();
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(SwitchedProtocol, a_stop_of_the_server_ends_it) {
  Router router;
  ASSERT_TRUE(router.add({"GET", "/shout", Shout::answer, false}));
  OwnServer server(std::move(router));
  RawClient client(server.port());
  client.send("GET /shout HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n");
  client.read_until("\r\n\r\n");
  server.stop(kPatience);
  server.stops_by_itself = false;
  EXPECT_EQ(client.read_to_end(), "");
}

}  // namespace
}  // namespace sandboxd::http::test
