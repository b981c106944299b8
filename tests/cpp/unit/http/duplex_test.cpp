// Bodies that go up while their answers come down: a server whose handler answers as it reads, and one that passes both
// directions on to another server, as a proxy does.
#include "aio/notifier.hpp"
#include "own_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>

namespace sandboxd::http::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::size_t kPieceBytes = 1024 * 1024;
constexpr std::size_t kBufferBytesMax = 64 * kPieceBytes;  // what sockets and programs on the way may hold, generously

// The request's body as the answer's.
class Echo final : public BodyStream {
 public:
  Echo(std::shared_ptr<BodyReader> body, std::shared_ptr<aio::Notifier> ended)
      : body_(std::move(body)), ended_(std::move(ended)) {}
  ~Echo() override { ended_->notify(); }
  Task<std::optional<std::string>> next() override {
    auto piece = co_await body_->next();
    if (!piece) throw ErrorException(piece.error());
    if (!*piece) is_over = true;
    if (is_over) ended_->notify();
    co_return *std::move(piece);
  }
  bool is_over = false;

 private:
  std::shared_ptr<BodyReader> body_;
  std::shared_ptr<aio::Notifier> ended_;
};

Task<void> wait_for(std::shared_ptr<Echo> echo, std::shared_ptr<aio::Notifier> ended) {
  while (!echo->is_over) co_await ended->wait();
}

Task<Response> echo(Request request) {
  const auto ended = std::make_shared<aio::Notifier>(co_await boost::asio::this_coro::executor);
  Response response;
  response.content_type = "text/plain";
  response.stream_length = request.body_reader->length();
  const auto stream = std::make_shared<Echo>(std::move(request.body_reader), ended);
  response.stream = stream;
  response.reads_on = [stream, ended] { return wait_for(stream, ended); };
  co_return response;
}

// Passes a request on to a server of this machine, both ways at once.
struct Relay {
  std::unique_ptr<OwnServer>* server;
  int port = 0;  // 0: the server itself, at /echo
  Duration timeout = kPatience;
};

Task<Response> relay(const Relay* relay, Request request) {
  ClientRequest call = (*relay->server)->request(request.method, "/echo");
  if (relay->port != 0) call.port = relay->port;
  call.body_stream = std::move(request.body_reader);
  call.is_duplex = true;
  auto answer = co_await (*relay->server)->client->open_stream(std::move(call));
  if (!answer) co_return plain(502, answer.error().message());
  Response response;
  response.status = (*answer)->status();
  response.content_type = "text/plain";
  response.reads_on = (*answer)->rest_of_request();
  response.stream_length = (*answer)->length();
  response.stream = pass_on(*std::move(answer), relay->timeout);
  co_return response;
}

class Duplex : public testing::Test {
 protected:
  void serve(ServerOptions options = {}) {
    Router router;
    const auto add = [&](std::string pattern, Handler handler) {
      Route route{"POST", std::move(pattern), std::move(handler), false, std::size_t{1} << 40};
      route.streams_body = true;
      EXPECT_TRUE(router.add(std::move(route)));
    };
    add("/echo", echo);
    add("/relay", [this](Request request) { return relay(&to, std::move(request)); });
    server = std::make_unique<OwnServer>(std::move(router), std::move(options));
  }

  static std::string post(const std::string& headers, const std::string& body = {}) {
    return "POST /relay HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + "\r\n" + body;
  }

  std::unique_ptr<OwnServer> server;
  Relay to{&server};
};

// Bytes that tell their place.
class Numbered final : public BodyReader {
 public:
  Numbered(std::uint64_t pieces, bool has_length) : pieces_(pieces), has_length_(has_length), piece_(kPieceBytes, ' ') {
    std::iota(piece_.begin(), piece_.end(), '\0');
  }
  Task<Result<std::optional<std::string>>> next() override {
    if (sent == pieces_) co_return std::optional<std::string>();
    piece_[0] = static_cast<char>(sent++);
    co_return std::optional<std::string>(piece_);
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override {
    return has_length_ ? std::optional(pieces_ * kPieceBytes) : std::nullopt;
  }
  std::uint64_t sent = 0;

 private:
  std::uint64_t pieces_;
  bool has_length_;
  std::string piece_;
};

struct Received {
  std::uint64_t bytes = 0;
  std::uint64_t wrong = 0;
  std::uint64_t ahead_max = 0;  // bytes that were sent and not yet received
};

Task<Received> receive(ClientStream* stream, const Numbered* source) {
  Received out;
  while (true) {
    auto piece = co_await stream->next(kPatience);
    EXPECT_TRUE(piece) << piece.error().message();
    if (!piece || !*piece) co_return out;
    for (const char c : **piece) {
      const std::uint64_t at = out.bytes++;
      const std::uint64_t wanted = at % kPieceBytes == 0 ? at / kPieceBytes : at % kPieceBytes;
      if (c != static_cast<char>(wanted)) ++out.wrong;
    }
    out.ahead_max = std::max(out.ahead_max, source->sent * kPieceBytes - out.bytes);
  }
}

TEST_F(Duplex, what_is_larger_than_all_buffers_comes_back_while_it_is_sent) {
  serve();
  for (const bool has_length : {true, false}) {
    constexpr std::uint64_t kPieces = 200;
    const auto source = std::make_shared<Numbered>(kPieces, has_length);
    ClientRequest request = server->request("POST", "/relay");
    request.body_stream = source;
    request.is_duplex = true;
    const auto stream = server->run(server->client->open_stream(std::move(request)));
    ASSERT_TRUE(stream) << stream.error().message();
    EXPECT_EQ((*stream)->length().has_value(), has_length);
    const Received received = server->run(receive(stream->get(), source.get()));
    EXPECT_EQ(received.bytes, kPieces * kPieceBytes);
    EXPECT_EQ(received.wrong, 0U);
    EXPECT_LT(received.ahead_max, kBufferBytesMax) << "a slow reader makes the sender wait";
  }
}

TEST_F(Duplex, an_answer_may_begin_before_the_body_and_the_connection_goes_on) {
  serve();
  RawClient client(server->port());
  for (int round = 0; round < 3; ++round) {
    client.send(post("Content-Length: 6\r\n"));
    EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Length: 6\r\n"));
    client.send("abc");
    EXPECT_EQ(client.read_until("abc"), "abc");  // before the rest was sent
    client.send("def");
    EXPECT_EQ(client.read_until("def"), "def");
    client.send(post("Transfer-Encoding: chunked\r\n"));
    EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked\r\n"));
    client.send("3\r\nabc\r\n");
    EXPECT_EQ(client.read_until("\r\n"), "3\r\n");
    EXPECT_EQ(client.read_until("\r\n"), "abc\r\n");
    client.send("0\r\n\r\n");
    EXPECT_EQ(client.read_until("\r\n\r\n"), "0\r\n\r\n");
  }
}

TEST_F(Duplex, the_next_request_may_come_with_the_bodys_end) {
  serve();
  RawClient client(server->port());
  const std::string whole = post("Content-Length: 3\r\n", "abc");
  client.send(whole + whole);
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\nabc"));
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\nabc"));
}

TEST_F(Duplex, leave_to_send_stands_before_the_answer) {
  serve();
  RawClient client(server->port());
  client.send(post("Content-Length: 3\r\nExpect: 100-continue\r\n"));
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  client.send("abc");
  EXPECT_EQ(client.read_until("abc"), "abc");
}

TEST_F(Duplex, who_has_answered_wholly_still_gets_the_rest) {
  constexpr std::size_t kBytes = 32 * kPieceBytes;
  serve();
  std::size_t received = 0;
  ScriptedServer early([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
    received = peer.read_bytes(kBytes);
    peer.read_header();  // after an exchange in order the connection is there for the next one
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnext");
    peer.wait_for_end();
  });
  to.port = early.port();
  RawClient client(server->port());
  client.send(post("Content-Length: " + std::to_string(kBytes) + "\r\n"));
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\nearly"));
  client.send(std::string(kBytes, 'x'));
  EXPECT_THAT(client.ask(post("Content-Length: 3\r\n", "abc")), EndsWith("\r\n\r\nnext"));
  EXPECT_EQ(received, kBytes);
}

TEST_F(Duplex, a_refusal_ends_the_body) {
  serve();
  std::string before;
  ScriptedServer refusing([&](ScriptedServer& s) {
    auto peer = s.accept();
    before = peer.read_header();
    peer.send("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno");
    peer.wait_for_end();
  });
  to.port = refusing.port();
  RawClient client(server->port());
  client.send(post("Content-Length: 100000000\r\n", std::string(kPieceBytes, 'x')));
  EXPECT_THAT(client.read_answer(), StartsWith("HTTP/1.1 409"));
  client.send(std::string(kPieceBytes, 'x'));  // dropped: the answer is not lost by a reset
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(Duplex, a_client_that_leaves_ends_both_directions) {
  serve();
  bool has_ended = false;
  ScriptedServer patient([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin");
    peer.wait_for_end();
    has_ended = true;
  });
  to.port = patient.port();
  {
    RawClient client(server->port());
    client.send(post("Content-Length: 100\r\n", "begin"));
    client.read_until("begin");
  }
  patient.join();
  EXPECT_TRUE(has_ended);
}

TEST_F(Duplex, an_answer_that_breaks_off_is_no_whole_one) {
  serve();
  ScriptedServer broken([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.read_bytes(5);
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n");
  });
  to.port = broken.port();
  RawClient client(server->port());
  client.send(post("Content-Length: 100\r\n", "begin"));
  client.read_until("begin\r\n");
  EXPECT_THAT(client.read_to_end(), Not(HasSubstr("0\r\n\r\n")));
}

TEST_F(Duplex, silence_after_the_answer_ends_the_connection) {
  ServerOptions options;
  options.body_timeout = std::chrono::milliseconds(150);
  serve(std::move(options));
  ScriptedServer early([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
    peer.wait_for_end();
  });
  to.port = early.port();
  RawClient client(server->port());
  client.send(post("Content-Length: 100\r\n", "begin"));
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\nearly"));
  const std::string rest = client.read_to_end();
  EXPECT_TRUE(rest.empty() || rest == "RESET") << rest;
}

TEST_F(Duplex, a_stop_ends_it) {
  serve();
  RawClient client(server->port());
  client.send(post("Content-Length: 100\r\n", "begin"));
  client.read_until("begin");
  server->stop(kPatience);
  server->stops_by_itself = false;
  const std::string rest = client.read_to_end();
  EXPECT_TRUE(rest.empty() || rest == "RESET") << rest;
}

TEST_F(Duplex, an_old_client_gets_the_answers_end) {
  serve();
  RawClient client(server->port());
  client.send("POST /echo HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(client.read_to_end(), EndsWith("\r\n\r\nabc"));
}

}  // namespace
}  // namespace sandboxd::http::test
