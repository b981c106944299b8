// Calls and their answers: what is sent, what is understood, what is refused.
#include "client_fixture.hpp"

#include <gtest/gtest.h>

namespace sandboxd::http::test {
namespace {

TEST_F(ClientTest, speaks_with_our_server) {
  TestServer server;
  auto post = request(server.port(), "POST", "/echo");
  post.body = "hello";
  const auto echoed = send(post);
  ASSERT_TRUE(echoed) << echoed.error().message();
  EXPECT_EQ(echoed->status, 200);
  EXPECT_EQ(echoed->content_type, "text/plain");
  EXPECT_EQ(echoed->body, "hello");

  auto get = request(server.port(), "GET", "/hello");
  get.headers.emplace_back("X-Request-Id", "id-1");
  const auto hello = send(get);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->body, "hello id-1");
  EXPECT_EQ(hello->headers.find("x-request-id")->second, "id-1");

  const auto missing = send(request(server.port(), "DELETE", "/hello"));
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
  const auto empty = send(request(server.port(), "GET", "/empty"));
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->status, 204);
  const auto large = send(request(server.port(), "GET", "/bytes?n=3000000"));
  ASSERT_TRUE(large);
  EXPECT_EQ(large->body.size(), 3000000U);
}

TEST_F(ClientTest, tells_nonsense_from_silence) {
  struct Case {
    const char* answer;
    ErrorCode code;
  };
  for (const Case& c :
       {Case{"SSH-2.0-nonsense\r\n\r\n", ErrorCode::protocol_error}, Case{"", ErrorCode::unavailable},
        Case{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf", ErrorCode::unavailable},
        Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorCode::protocol_error}}) {
    ScriptedServer server([&](ScriptedServer& s) {
      auto peer = s.accept();
      peer.read_header();
      peer.send(c.answer);
    });
    const auto answer = send(request(server.port(), "GET", "/"));
    ASSERT_FALSE(answer) << c.answer;
    EXPECT_EQ(answer.error().code(), c.code) << c.answer << ": " << answer.error().message();
  }
}

TEST_F(ClientTest, reads_an_answer_that_came_before_the_request_was_sent_to_its_end) {
  TestServer server;
  auto large = request(server.port(), "POST", "/echo");
  large.body.assign(8 << 20, 'x');
  const auto answer = send(std::move(large));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 413);
}

TEST_F(ClientTest, skips_interim_answers) {
  ScriptedServer server([](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + std::string(kAnswer));
    peer.wait_for_end();
  });
  const auto answer = send(request(server.port(), "GET", "/"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "ok");
  make_client({});
}

TEST_F(ClientTest, refuses_requests_that_would_be_two) {
  auto bad = request(1, "GET", "/");
  bad.target = "/ HTTP/1.1\r\nX: y";
  EXPECT_EQ(send(bad).error().code(), ErrorCode::invalid_argument);
  bad.target = "nothing";
  EXPECT_EQ(send(bad).error().code(), ErrorCode::invalid_argument);
  bad.target = "/";
  bad.headers.emplace_back("X", "a\r\nY: b");
  EXPECT_EQ(send(bad).error().code(), ErrorCode::invalid_argument);
  bad.headers.clear();
  bad.method = "GET /";
  EXPECT_EQ(send(bad).error().code(), ErrorCode::invalid_argument);
  bad.method = "GET";
  bad.host = "localhost";
  EXPECT_EQ(send(bad).error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace sandboxd::http::test
