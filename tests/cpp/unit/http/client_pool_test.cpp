// Connections that are kept: when one is used again, when a request is repeated, when it is closed.
#include "client_fixture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace sandboxd::http::test {
namespace {

using testing::StartsWith;

TEST_F(ClientTest, reuses_a_kept_connection) {
  ScriptedServer server([](ScriptedServer& s) {
    auto peer = s.accept();
    while (peer.read_header().ends_with("\r\n\r\n") && peer.send(kAnswer)) {
    }
  });
  for (int i = 0; i < 3; ++i) {
    const auto answer = send(request(server.port(), "POST", "/"));  // a second connection would never be accepted
    ASSERT_TRUE(answer) << answer.error().message();
  }
  client.reset();
}

TEST_F(ClientTest, does_not_reuse_a_connection_that_the_server_wants_closed) {
  std::atomic<int> accepted = 0;
  ScriptedServer server([&](ScriptedServer& s) {
    for (const std::string_view answer :
         {std::string_view("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
          std::string_view("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), kAnswer}) {
      auto peer = s.accept();
      ++accepted;
      peer.read_header();
      peer.send(answer);
      peer.wait_for_end();
    }
  });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(send(request(server.port(), "POST", "/")));
  EXPECT_EQ(accepted, 3);
  runtime.run(nothing());
  make_client({});  // closes the kept one
}

// The server answers once and closes without a word at the second request: as one does whose idle time ran out just
// when the request was sent.
void answer_once_then_cut(ScriptedServer& s) {
  {
    auto peer = s.accept();
    peer.read_header();
    peer.send(kAnswer);
    peer.read_header();
  }
  auto peer = s.accept();
  peer.read_header();
  peer.send(kAnswer);
  peer.wait_for_end();
}

TEST_F(ClientTest, repeats_a_harmless_request_when_the_kept_connection_was_stale) {
  for (const char* method : {"GET", "DELETE"}) {
    ScriptedServer server(answer_once_then_cut);
    ASSERT_TRUE(send(request(server.port(), "GET", "/")));
    const auto second = send(request(server.port(), method, "/"));
    EXPECT_TRUE(second) << second.error().message();
    runtime.run(nothing());
    make_client({});
  }
}

TEST_F(ClientTest, never_repeats_a_post) {
  std::atomic<int> requests = 0;
  ScriptedServer server([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send(kAnswer);
    if (peer.read_header().starts_with("POST")) ++requests;
  });
  ASSERT_TRUE(send(request(server.port(), "GET", "/")));
  const auto second = send(request(server.port(), "POST", "/x"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(second.error().message(), StartsWith("POST /x: 127.0.0.1:"));
  server.join();
  EXPECT_EQ(requests, 1);
}

TEST_F(ClientTest, does_not_repeat_when_a_part_of_the_answer_came) {
  ScriptedServer server([](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send(kAnswer);
    peer.read_header();
    peer.send("HTTP/1.1 2");
  });
  ASSERT_TRUE(send(request(server.port(), "GET", "/")));
  const auto second = send(request(server.port(), "GET", "/"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::unavailable);
}

// A closed connection is noticed before the request is sent, so that even a POST survives it.
TEST_F(ClientTest, leaves_out_kept_connections_that_have_been_closed) {
  TestServer server;
  ASSERT_TRUE(send(request(server.port(), "POST", "/echo")));
  const int port = server.port();
  server.stop(Duration::zero());
  const auto refused = send(request(port, "POST", "/echo"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "POST /echo: connect to 127.0.0.1:" + std::to_string(port) + ": connection refused");
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
}

TEST_F(ClientTest, idle_connections_are_closed_after_their_time) {
  make_client({.idle_timeout = std::chrono::milliseconds(20)});
  ScriptedServer server([](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send(kAnswer);
    peer.wait_for_end();
  });
  ASSERT_TRUE(send(request(server.port(), "GET", "/")));
  server.join();  // returns once the client has closed
}

Task<int> many(Client& client, ClientRequest request, int count) {
  int good = 0;
  for (int i = 0; i < count; ++i) {
    const auto answer = co_await client.send(request);
    if (answer && answer->status == 200) ++good;
  }
  co_return good;
}

TEST_F(ClientTest, many_calls_at_once_share_the_pool) {
  TestServer server;
  std::vector<std::future<int>> runs;
  for (int i = 0; i < 20; ++i) {
    auto task = many(*client, request(server.port(), i % 2 == 0 ? "GET" : "POST", i % 2 == 0 ? "/hello" : "/echo"), 20);
    runs.push_back(boost::asio::co_spawn(runtime.context(), std::move(task), boost::asio::use_future));
  }
  for (auto& one : runs) {
    ASSERT_TRUE(arrives(one));
    EXPECT_EQ(one.get(), 20);
  }
}

}  // namespace
}  // namespace sandboxd::http::test
