#include "fixture.hpp"
#include "http/socket_prober.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::http::test {
namespace {

using testing::HasSubstr;

class ProberTest : public testing::Test {
 protected:
  void SetUp() override { runtime.start(); }
  void TearDown() override { runtime.stop(); }

  Result<void> probe(model::ProbeKind kind, int port, std::string path = {}, Duration timeout = kPatience) {
    auto task = prober.probe({kind, "127.0.0.1", port, std::move(path)}, timeout);
    return boost::asio::co_spawn(runtime.context(), std::move(task), boost::asio::use_future).get();
  }
  // What the prober makes of an http answer.
  Result<void> judge(std::string answer, Duration timeout = kPatience) {
    ScriptedServer server([&](ScriptedServer& s) {
      auto peer = s.accept();
      asked = peer.read_header();
      peer.send(answer);
      peer.wait_for_end();
    });
    auto result = probe(model::ProbeKind::http, server.port(), "/ready?x=1", timeout);
    server.join();
    host = "127.0.0.1:" + std::to_string(server.port());
    return result;
  }

  aio::IoRuntime runtime{"prober-test"};
  SocketProber prober{runtime.context().get_executor()};
  std::string asked;
  std::string host;
};

TEST_F(ProberTest, tcp_succeeds_when_a_connection_is_accepted) {
  TestServer server;
  EXPECT_TRUE(probe(model::ProbeKind::tcp, server.port()));
  const int port = server.port();
  server.stop(Duration::zero());
  const auto refused = probe(model::ProbeKind::tcp, port);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "connect to 127.0.0.1:" + std::to_string(port) + ": connection refused");
}

TEST_F(ProberTest, http_succeeds_from_200_to_399_without_following_redirects) {
  EXPECT_TRUE(judge("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_THAT(asked, testing::StartsWith("GET /ready?x=1 HTTP/1.1\r\nHost: " + host + "\r\n"));
  EXPECT_THAT(asked, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(judge("HTTP/1.1 204 No Content\r\n\r\n"));
  EXPECT_TRUE(judge("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(judge("HTTP/1.1 399 Odd\r\nContent-Length: 0\r\n\r\n"));
  for (const int status : {400, 404, 500, 503}) {
    const auto bad = judge("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 0\r\n\r\n");
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().message(), "unexpected status code " + std::to_string(status));
  }
}

TEST_F(ProberTest, the_header_is_the_verdict_whatever_becomes_of_the_body) {
  EXPECT_TRUE(judge("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all of it"));
  EXPECT_TRUE(judge("HTTP/1.1 200 OK\r\n\r\n" + std::string(1 << 20, 'x')));
  EXPECT_TRUE(judge("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"));
}

TEST_F(ProberTest, is_bounded_by_its_timeout) {
  const auto silent = judge("", std::chrono::milliseconds(50));
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code(), ErrorCode::deadline_exceeded);
  const auto half = judge("HTTP/1.1 200", std::chrono::milliseconds(50));
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().code(), ErrorCode::deadline_exceeded);
}

TEST_F(ProberTest, each_probe_has_a_connection_of_its_own) {
  TestServer server({.connections_max = 1});
  for (int i = 0; i < 5; ++i) {
    Result<void> result;
    do {
      result = probe(model::ProbeKind::http, server.port(), "/hello");  // 503 until the last one's end is noticed
    } while (!result && result.error().message() == "unexpected status code 503");
    EXPECT_TRUE(result) << result.error().message();
  }
}

}  // namespace
}  // namespace sandboxd::http::test
