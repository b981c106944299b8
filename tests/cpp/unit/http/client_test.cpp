#include "http/client.hpp"

#include "fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace sandboxd::http::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// A client on a thread of its own, called from the test's.
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

TEST_F(ClientTest, gives_up_at_the_deadline_whatever_the_server_does_meanwhile) {
  for (const std::string_view part : {std::string_view(), std::string_view("HTTP/1.1 200 OK\r\n"),
                                      std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
                                      std::string_view("HTTP/1.1 100 Continue\r\n\r\n")}) {
    ScriptedServer server([part](ScriptedServer& s) {
      auto peer = s.accept();
      peer.read_header();
      peer.send(part);
      peer.wait_for_end();
    });
    auto slow = request(server.port(), "GET", "/slow?token=x");
    slow.timeout = std::chrono::milliseconds(50);
    const auto answer = send(slow);
    ASSERT_FALSE(answer) << part;
    EXPECT_EQ(answer.error().code(), ErrorCode::deadline_exceeded) << part;
    EXPECT_EQ(answer.error().message(),
              "GET /slow: 127.0.0.1:" + std::to_string(server.port()) + ": no answer in time");
  }
}

TEST_F(ClientTest, a_reader_that_stalls_cannot_hold_a_large_request_for_ever) {
  std::promise<void> answered;
  ScriptedServer server([&](ScriptedServer& s) {
    auto peer = s.accept();
    EXPECT_TRUE(arrives(answered.get_future()));
  });
  auto large = request(server.port(), "POST", "/");
  large.body.assign(64 << 20, 'x');
  large.timeout = std::chrono::milliseconds(50);
  const auto answer = send(std::move(large));
  answered.set_value();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::deadline_exceeded);
}

TEST_F(ClientTest, bounds_the_answer) {
  TestServer server;
  auto small = request(server.port(), "GET", "/bytes?n=1001");
  small.body_bytes_max = 1000;
  const auto answer = send(small);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::too_large);
  small.target = "/bytes?n=1000";
  EXPECT_TRUE(send(small));
  small.target = "/stream?n=1000&end";
  const auto chunked = send(small);
  ASSERT_FALSE(chunked);
  EXPECT_EQ(chunked.error().code(), ErrorCode::too_large);
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

Task<Result<ClientResponse>> send_with(Client& client, ClientRequest request) {
  return client.send(std::move(request));
}

TEST_F(ClientTest, a_cancelled_call_closes_its_connection_and_throws) {
  std::promise<void> asked;
  std::promise<void> closed;
  ScriptedServer server([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    asked.set_value();
    peer.wait_for_end();
    closed.set_value();
  });
  auto signal = std::make_shared<boost::asio::cancellation_signal>();
  auto answer = boost::asio::co_spawn(runtime.context(), send_with(*client, request(server.port(), "GET", "/")),
                                      boost::asio::bind_cancellation_slot(signal->slot(), boost::asio::use_future));
  ASSERT_TRUE(arrives(asked.get_future()));
  boost::asio::post(runtime.context(), [signal] { signal->emit(boost::asio::cancellation_type::terminal); });
  ASSERT_TRUE(arrives(answer));
  EXPECT_THROW(static_cast<void>(answer.get()), boost::system::system_error);
  EXPECT_TRUE(arrives(closed.get_future()));
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
