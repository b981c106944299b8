// Bodies that are sent piece by piece.
#include "fixture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace sandboxd::http::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(ServerStream, pieces_are_chunks_and_the_connection_goes_on) {
  TestServer server;
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send(server.get("/stream?n=2&end"));
    const std::string answer = client.read_until("\r\n0\r\n\r\n");
    EXPECT_THAT(answer,
                StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n8\r\npiece 0;\r\n8\r\npiece 1;\r\n0\r\n\r\n"));
  }
}

TEST(ServerStream, each_piece_is_sent_at_once) {
  TestServer server;
  RawClient client(server.port());
  client.send(server.get("/stream?n=1"));
  client.read_until("piece 0;\r\n");  // while the stream waits for its next one
}

TEST(ServerStream, an_empty_stream_and_one_for_http_1_0) {
  TestServer server;
  RawClient client(server.port());
  client.send(server.get("/stream?n=0&end"));
  EXPECT_THAT(client.read_until("\r\n0\r\n\r\n"), EndsWith("\r\n\r\n0\r\n\r\n"));
  RawClient old(server.port());
  old.send("GET /stream?n=2&end HTTP/1.0\r\n\r\n");
  const std::string answer = old.read_to_end();
  EXPECT_THAT(answer, EndsWith("\r\n\r\npiece 0;piece 1;"));
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
}

TEST(ServerStream, ends_when_the_client_disconnects) {
  TestServer server;
  auto cancelled = server.probe->stream_cancelled.get_future();
  auto destroyed = server.probe->stream_destroyed.get_future();
  {
    RawClient client(server.port());
    client.send(server.get("/stream?n=1"));
    client.read_until("piece 0;");
  }
  EXPECT_TRUE(arrives(cancelled));
  EXPECT_TRUE(arrives(destroyed));
}

TEST(ServerStream, ends_when_the_client_disconnects_while_pieces_flow) {
  TestServer server;
  auto destroyed = server.probe->stream_destroyed.get_future();
  {
    RawClient client(server.port());
    client.send(server.get("/stream?n=1000000000"));
    client.read_until("piece 10;");
  }
  EXPECT_TRUE(arrives(destroyed));
}

TEST(ServerStream, a_request_sent_meanwhile_is_answered_after_it) {
  TestServer server;
  RawClient client(server.port());
  client.send(server.get("/stream?n=20000&end") + server.get("/items/next"));
  client.read_until("\r\n0\r\n\r\n");
  EXPECT_THAT(client.read_answer(), EndsWith("item next"));
}

TEST(ServerStream, a_client_that_floods_a_stream_is_cut_off) {
  TestServer server;
  auto destroyed = server.probe->stream_destroyed.get_future();
  RawClient client(server.port());
  client.send(server.get("/stream?n=1"));
  client.read_until("piece 0;");
  client.try_send(std::string(1 << 20, 'x'));
  EXPECT_TRUE(arrives(destroyed));
}

TEST(ServerStream, a_stream_that_fails_does_not_look_complete) {
  TestServer server;
  RawClient client(server.port());
  client.send(server.get("/stream?n=1&break"));
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, HasSubstr("piece 0;"));
  EXPECT_THAT(answer, Not(HasSubstr("0\r\n\r\n0\r\n\r\n")));
  EXPECT_THAT(answer, Not(EndsWith("0\r\n\r\n")));
}

TEST(ServerStream, head_is_not_routed_so_no_stream_is_started) {
  TestServer server;
  RawClient client(server.port());
  client.send("HEAD /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 404"));
}

}  // namespace
}  // namespace sandboxd::http::test
