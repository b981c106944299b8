// Request bodies that handlers read while they arrive, and that clients send while they read them.
#include "own_server.hpp"

#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <future>

namespace sandboxd::http::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// What a body was: its bytes' number and sum, or its error.
Task<Response> count(Request request) {
  std::uint64_t bytes = 0;
  std::uint64_t sum = 0;
  while (true) {
    auto piece = co_await request.body_reader->next();
    if (!piece) co_return plain(599, piece.error().message());
    if (!*piece) break;
    bytes += (*piece)->size();
    for (const char c : **piece) sum += static_cast<unsigned char>(c);
  }
  co_return plain(200, std::to_string(bytes) + " " + std::to_string(sum));
}

Task<Response> refuse_early(Request) { co_return plain(409, "not now"); }

Task<Response> first_piece(Request request) {
  auto piece = co_await request.body_reader->next();
  co_return plain(200, piece && *piece ? **piece : "nothing");
}

// Says that it waits, and whether it was cancelled.
struct Waits {
  std::promise<void> entered;
  std::promise<bool> left;
};

Task<Response> wait(std::shared_ptr<Waits> waits) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer never(executor, boost::asio::steady_timer::time_point::max());
  waits->entered.set_value();
  const auto result = co_await never.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  waits->left.set_value(std::get<0>(result).failed());
  co_return plain(200, "waited");
}

Router routes() {
  Router router;
  const auto add = [&](std::string method, std::string pattern, Handler handler, std::size_t limit) {
    Route route{std::move(method), std::move(pattern), std::move(handler), false, limit};
    route.streams_body = true;
    EXPECT_TRUE(router.add(std::move(route)));
  };
  add("POST", "/count", count, std::size_t{1} << 40);
  add("POST", "/small", count, 1000);
  add("POST", "/early", refuse_early, std::size_t{1} << 40);
  add("POST", "/first", first_piece, std::size_t{1} << 40);
  return router;
}

constexpr std::string_view kHost = "Host: 127.0.0.1\r\n";

std::string post(const std::string& target, const std::string& headers, const std::string& body) {
  return "POST " + target + " HTTP/1.1\r\n" + std::string(kHost) + headers + "\r\n" + body;
}
std::string with_length(const std::string& body) { return "Content-Length: " + std::to_string(body.size()) + "\r\n"; }

class Pieces final : public BodyReader {
 public:
  Pieces(std::uint64_t count, std::string piece, bool has_length)
      : count_(count), piece_(std::move(piece)), has_length_(has_length) {}
  Task<Result<std::optional<std::string>>> next() override {
    if (sent == count_ && breaks) co_return Error(ErrorCode::unavailable, "the source broke");
    if (sent == count_) co_return std::optional<std::string>();
    ++sent;
    co_return std::optional<std::string>(piece_);
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override {
    if (!has_length_) return std::nullopt;
    return count_ * piece_.size();
  }
  std::uint64_t sent = 0;
  bool breaks = false;

 private:
  std::uint64_t count_;
  std::string piece_;
  bool has_length_;
};

TEST(RequestStream, bodies_of_every_framing_arrive_and_the_connection_goes_on) {
  OwnServer server(routes());
  RawClient client(server.port());
  EXPECT_THAT(client.ask(post("/count", with_length("abc"), "abc")), EndsWith("\r\n\r\n3 294"));
  EXPECT_THAT(client.ask(post("/count", "", "")), EndsWith("\r\n\r\n0 0"));
  EXPECT_THAT(client.ask(post("/count", "Transfer-Encoding: chunked\r\n", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")),
              EndsWith("\r\n\r\n3 294"));
  // Two requests in one go: the second is not taken for a body.
  client.send(post("/count", with_length("abc"), "abc") + post("/count", with_length("b"), "b"));
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\n3 294"));
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\n1 98"));
}

TEST(RequestStream, a_handler_sees_the_first_bytes_before_the_last_are_sent) {
  OwnServer server(routes());
  RawClient client(server.port());
  client.send(post("/first", "Content-Length: 100\r\n", "begin"));
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\nbegin"));  // answered early: the rest never comes
}

TEST(RequestStream, leave_to_send_is_given_when_the_body_is_wanted) {
  OwnServer server(routes());
  RawClient wanted(server.port());
  wanted.send(post("/count", "Content-Length: 3\r\nExpect: 100-continue\r\n", ""));
  EXPECT_EQ(wanted.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(wanted.ask("abc"), EndsWith("\r\n\r\n3 294"));
  RawClient unwanted(server.port());
  unwanted.send(post("/early", "Content-Length: 3\r\nExpect: 100-continue\r\n", ""));
  const std::string answer = unwanted.read_answer();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 409"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
}

TEST(RequestStream, limits_count_what_is_declared_and_what_comes) {
  OwnServer server(routes());
  RawClient declared(server.port());
  declared.send(post("/small", "Content-Length: 1001\r\n", ""));
  EXPECT_THAT(declared.read_answer(), StartsWith("HTTP/1.1 413"));
  RawClient counted(server.port());
  const std::string chunk = "258\r\n" + std::string(600, 'x') + "\r\n";
  counted.send(post("/small", "Transfer-Encoding: chunked\r\n", chunk + chunk));
  EXPECT_THAT(counted.read_answer(), StartsWith("HTTP/1.1 413"));
  RawClient malformed(server.port());
  malformed.send(post("/count", "Transfer-Encoding: chunked\r\n", "zz\r\n"));
  EXPECT_THAT(malformed.read_answer(), StartsWith("HTTP/1.1 400"));
}

TEST(RequestStream, only_silence_ends_a_body) {
  ServerOptions options;
  options.body_timeout = std::chrono::milliseconds(150);
  OwnServer server(routes(), std::move(options));
  RawClient silent(server.port());
  silent.send(post("/count", "Content-Length: 100\r\n", "begin"));
  EXPECT_THAT(silent.read_answer(), StartsWith("HTTP/1.1 408"));
}

TEST(RequestStream, a_reader_that_does_not_ask_makes_the_sender_wait) {
  OwnServer server(routes());
  auto source = std::make_shared<Pieces>(1024, std::string(1024 * 1024, 'x'), true);  // 1 GiB
  ClientRequest request = server.request("POST", "/early");
  request.body_stream = source;
  const auto answer = server.run(server.client->send(std::move(request)));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 409);
  EXPECT_LT(source->sent, 200U);  // socket buffers, and what is dropped after the answer
}

TEST(RequestStream, a_client_sends_streams_of_known_and_unknown_length) {
  OwnServer server(routes());
  for (const bool has_length : {true, false}) {
    ClientRequest request = server.request("POST", "/count");
    request.body_stream = std::make_shared<Pieces>(100, std::string(100'000, 'a'), has_length);
    const auto answer = server.run(server.client->send(std::move(request)));
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->body, "10000000 970000000");
  }
}

TEST(RequestStream, who_answers_before_the_end_of_a_body_still_gets_the_rest) {
  constexpr std::size_t kPieces = 64;  // of a MiB each: far more than the sockets take
  std::size_t received = 0;
  OwnServer own(routes());
  ScriptedServer early([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
    received = peer.read_bytes(kPieces << 20);
    peer.send("whole");
    peer.wait_for_end();
  });
  ClientRequest request = own.request("POST", "/");
  request.port = early.port();
  request.body_stream = std::make_shared<Pieces>(kPieces, std::string(1024 * 1024, 'x'), true);
  const auto answer = own.run(own.client->send(std::move(request)));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body, "whole");
  EXPECT_EQ(received, kPieces << 20);
}

TEST(RequestStream, an_empty_stream_is_an_empty_body) {
  OwnServer server(routes());
  for (const bool has_length : {true, false}) {
    ClientRequest request = server.request("POST", "/count");
    request.body_stream = std::make_shared<Pieces>(0, "", has_length);
    const auto answer = server.run(server.client->send(std::move(request)));
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->body, "0 0");
  }
}

TEST(RequestStream, a_source_that_breaks_is_the_error_and_no_whole_body) {
  OwnServer server(routes());
  auto source = std::make_shared<Pieces>(3, "abc", false);
  source->breaks = true;
  ClientRequest request = server.request("POST", "/count");
  request.body_stream = source;
  const auto answer = server.run(server.client->send(std::move(request)));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message(), HasSubstr("the source broke"));
}

TEST(RequestStream, a_client_that_leaves_cancels_the_handler) {
  const auto waits = std::make_shared<Waits>();
  Router router;
  Route route{"POST", "/wait", [waits](Request) { return wait(waits); }, false, 1000};
  route.streams_body = true;
  ASSERT_TRUE(router.add(std::move(route)));
  OwnServer server(std::move(router));
  auto entered = waits->entered.get_future();
  auto left = waits->left.get_future();
  {
    RawClient client(server.port());
    client.send(post("/wait", "", ""));
    ASSERT_TRUE(arrives(entered));
  }
  ASSERT_TRUE(arrives(left));
  EXPECT_TRUE(left.get());
}

}  // namespace
}  // namespace sandboxd::http::test
