// Answers that are read piece by piece.
#include "client_fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace sandboxd::http::test {
namespace {

Task<Result<std::optional<std::string>>> next(ClientStream& stream, Duration idle) { return stream.next(idle); }
Task<std::optional<std::string>> take_whole(ClientStream& stream) { co_return stream.take_whole(); }
Task<void> drop(std::unique_ptr<ClientStream> stream) {
  stream.reset();
  co_return;
}

TEST_F(ClientTest, reads_a_stream_as_it_comes) {
  TestServer server;
  auto opened = open(request(server.port(), "GET", "/stream?n=3&end"));
  ASSERT_TRUE(opened) << opened.error().message();
  auto stream = *std::move(opened);
  EXPECT_EQ(stream->status(), 200);
  EXPECT_EQ(stream->content_type(), "text/event-stream");
  std::string all;
  while (true) {
    const auto piece = run(next(*stream, kPatience));
    ASSERT_TRUE(piece) << piece.error().message();
    if (!*piece) break;
    all += **piece;
  }
  EXPECT_EQ(all, "piece 0;piece 1;piece 2;");
  const auto after = run(next(*stream, kPatience));
  ASSERT_TRUE(after);
  EXPECT_EQ(*after, std::nullopt);
  run(drop(std::move(stream)));
}

TEST_F(ClientTest, a_stream_that_was_read_to_its_end_leaves_its_connection_to_the_next) {
  ScriptedServer server([](ScriptedServer& s) {
    auto peer = s.accept();  // one, for all of them
    while (peer.read_header().ends_with("\r\n\r\n") && peer.send(kAnswer)) {
    }
  });
  for (int i = 0; i < 3; ++i) {
    auto opened = open(request(server.port(), "POST", "/"));
    ASSERT_TRUE(opened) << opened.error().message();
    std::string all;
    while (const auto piece = *run(next(**opened, kPatience))) all += *piece;
    EXPECT_EQ(all, "ok");
    run(drop(*std::move(opened)));
  }
  client.reset();
}

TEST_F(ClientTest, a_short_answer_is_had_whole_and_one_that_is_still_coming_is_not) {
  std::promise<void> rest;
  ScriptedServer server([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send(kAnswer);
    peer.read_header();  // on the same connection
    peer.send(kAnswer.substr(0, kAnswer.size() - 1));
    rest.get_future().wait();
    peer.send("k");
    peer.wait_for_end();
  });
  auto whole = open(request(server.port(), "POST", "/"));
  ASSERT_TRUE(whole);
  EXPECT_EQ(run(take_whole(**whole)), "ok");
  run(drop(*std::move(whole)));
  auto half = open(request(server.port(), "POST", "/"));
  ASSERT_TRUE(half);
  EXPECT_EQ(run(take_whole(**half)), std::nullopt);
  rest.set_value();
  std::string all;
  while (const auto piece = *run(next(**half, kPatience))) all += *piece;
  EXPECT_EQ(all, "ok");
  run(drop(*std::move(half)));
  client.reset();
}

TEST_F(ClientTest, a_stream_that_is_dropped_before_its_end_closes_its_connection) {
  ScriptedServer server([](ScriptedServer& s) {
    {
      auto peer = s.accept();
      peer.read_header();
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nok");
      peer.wait_for_end();
    }
    auto peer = s.accept();
    peer.read_header();
    peer.send(kAnswer);
    peer.wait_for_end();
  });
  auto opened = open(request(server.port(), "POST", "/"));
  ASSERT_TRUE(opened);
  run(drop(*std::move(opened)));
  EXPECT_TRUE(send(request(server.port(), "POST", "/")));
  client.reset();
}

TEST_F(ClientTest, a_silent_stream_ends_with_the_deadline) {
  TestServer server;
  auto opened = open(request(server.port(), "GET", "/stream?n=1"));
  ASSERT_TRUE(opened);
  auto stream = *std::move(opened);
  const auto first = run(next(*stream, kPatience));
  ASSERT_TRUE(first);
  const auto second = run(next(*stream, std::chrono::milliseconds(50)));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_FALSE(run(next(*stream, kPatience)));
}

TEST_F(ClientTest, a_destroyed_stream_is_seen_by_the_server) {
  TestServer server;
  auto destroyed = server.probe->stream_destroyed.get_future();
  {
    auto opened = open(request(server.port(), "GET", "/stream?n=1"));
    ASSERT_TRUE(opened);
    boost::asio::post(runtime.context(), [stream = std::shared_ptr<ClientStream>(*std::move(opened))] {});
  }
  EXPECT_TRUE(arrives(destroyed));
}

TEST_F(ClientTest, a_stream_that_breaks_is_an_error) {
  TestServer server;
  auto opened = open(request(server.port(), "GET", "/stream?n=1&break"));
  ASSERT_TRUE(opened);
  auto stream = *std::move(opened);
  Result<std::optional<std::string>> piece = std::optional<std::string>();
  do {
    piece = run(next(*stream, kPatience));
  } while (piece && *piece);
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code(), ErrorCode::unavailable);
}

// A reader that does not ask makes the sender wait: bytes stay in the kernel's buffers, not in ours.
TEST_F(ClientTest, a_reader_that_pauses_holds_the_sender_back) {
  std::atomic<std::size_t> sent = 0;
  ScriptedServer server([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    const std::string piece(64 * 1024, 'x');
    while (peer.send(piece)) sent += piece.size();
  });
  auto opened = open(request(server.port(), "GET", "/"));
  ASSERT_TRUE(opened);
  auto stream = *std::move(opened);
  // The sender comes to a halt: its count stops far below what it would send else.
  constexpr std::size_t kFarTooMuch = std::size_t{64} << 20;
  std::size_t before = 1;
  for (std::size_t now = 0; now != before && sent < kFarTooMuch; now = sent) {
    before = sent;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_LT(sent, kFarTooMuch);
  const auto piece = run(next(*stream, kPatience));
  ASSERT_TRUE(piece && *piece);
  EXPECT_LE((*piece)->size(), std::size_t{64} * 1024);
  boost::asio::post(runtime.context(), [gone = std::shared_ptr<ClientStream>(std::move(stream))] {});
}

}  // namespace
}  // namespace sandboxd::http::test
