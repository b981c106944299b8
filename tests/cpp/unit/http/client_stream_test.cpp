// Answers that are read piece by piece.
#include "client_fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sandboxd::http::test {
namespace {

Task<Result<std::optional<std::string>>> next(ClientStream& stream, Duration idle) { return stream.next(idle); }

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
