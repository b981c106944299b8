#include "fixture.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace sandboxd::http::test {

RawClient::RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{20, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw std::runtime_error("test client cannot connect");
  }
}

RawClient::~RawClient() { ::close(fd_); }

bool RawClient::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void RawClient::send(std::string_view bytes) { EXPECT_TRUE(try_send(bytes)) << "the server does not take bytes"; }

bool RawClient::receive() {
  char piece[16 * 1024];
  const auto count = ::recv(fd_, piece, sizeof(piece), 0);
  if (count > 0) received_.append(piece, static_cast<std::size_t>(count));
  if (count < 0) {
    was_reset_ = errno == ECONNRESET;
    EXPECT_TRUE(was_reset_) << "nothing came within the test's patience; so far: " << received_;
  }
  return count > 0;
}

std::string RawClient::read_until(std::string_view text) {
  while (true) {
    if (const auto at = received_.find(text); at != std::string::npos) {
      std::string found = received_.substr(0, at + text.size());
      received_.erase(0, found.size());
      return found;
    }
    if (!receive()) {
      ADD_FAILURE() << "the connection ended before \"" << text << "\"; so far: " << received_;
      return std::exchange(received_, {});
    }
  }
}

std::string RawClient::read_answer() {
  std::string answer = read_until("\r\n\r\n");
  const std::string name = "Content-Length: ";
  const auto at = answer.find(name);
  const std::size_t length = at == std::string::npos ? 0 : std::stoul(answer.substr(at + name.size()));
  while (received_.size() < length && receive()) {
  }
  EXPECT_GE(received_.size(), length) << "the body is cut off";
  answer += received_.substr(0, length);
  received_.erase(0, length);
  return answer;
}

std::string RawClient::read_to_end() {
  while (receive()) {
  }
  return std::exchange(received_, {}) + (was_reset_ ? "RESET" : "");
}

void RawClient::shut_down_sending() { ::shutdown(fd_, SHUT_WR); }

ScriptedServer::Peer::~Peer() { ::close(fd_); }

std::string ScriptedServer::Peer::read_header() {
  std::string text;
  char c = 0;
  while (!text.ends_with("\r\n\r\n") && ::recv(fd_, &c, 1, 0) == 1) text += c;
  return text;
}

std::size_t ScriptedServer::Peer::read_bytes(std::size_t count) {
  std::vector<char> piece(64 * 1024);
  std::size_t got = 0;
  while (got < count) {
    const ssize_t n = ::recv(fd_, piece.data(), std::min(piece.size(), count - got), 0);
    if (n <= 0) break;
    got += static_cast<std::size_t>(n);
  }
  return got;
}

bool ScriptedServer::Peer::send(std::string_view bytes) {
  return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

void ScriptedServer::Peer::wait_for_end() {
  char piece[4096];
  while (::recv(fd_, piece, sizeof(piece), 0) > 0) {
  }
}

ScriptedServer::ScriptedServer(std::function<void(ScriptedServer&)> script)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool listens = ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0 && ::listen(fd_, 8) == 0 &&
                       ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (!listens) throw std::runtime_error("test server cannot listen");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this, script = std::move(script)] { script(*this); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(fd_, SHUT_RDWR);  // a pending accept() fails
  if (thread_.joinable()) thread_.join();
  ::close(fd_);
}

ScriptedServer::Peer ScriptedServer::accept() {
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  const timeval patience{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  return Peer(fd);
}

namespace {

Response text(std::string body) {
  Response response;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

Task<Response> hello(Request request) { co_return text("hello " + request.request_id); }
Task<Response> item(Request request) { co_return text("item " + request.parameter("id")); }
Task<Response> echo(Request request) { co_return text(request.body); }
Task<Response> bytes(Request request) { co_return text(std::string(std::stoul(*request.query_value("n")), 'x')); }
Task<Response> empty(Request) {
  Response response;
  response.status = 204;
  co_return response;
}
Task<Response> fail(Request) {
  throw std::runtime_error("planted failure");
  co_return Response{};
}

Task<Response> wait(std::shared_ptr<Probe> probe) {
  probe->wait_entered.set_value();
  const auto result = co_await probe->gate.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  const auto state = co_await boost::asio::this_coro::cancellation_state;
  const bool is_cancelled = state.cancelled() != boost::asio::cancellation_type::none;
  probe->wait_left.set_value(is_cancelled);
  if (is_cancelled) throw boost::system::system_error(std::get<0>(result));
  co_return text("waited");
}

class Pieces final : public BodyStream {
 public:
  Pieces(std::shared_ptr<Probe> probe, unsigned long count, std::size_t padding, bool ends, bool breaks)
      : probe_(std::move(probe)), count_(count), padding_(padding), ends_(ends), breaks_(breaks) {}
  ~Pieces() override {
    if (!std::exchange(probe_->was_stream_destroyed, true)) probe_->stream_destroyed.set_value();
  }

  Task<std::optional<std::string>> next() override {
    if (sent_ < count_) co_return "piece " + std::to_string(sent_++) + ";" + std::string(padding_, '-');
    if (breaks_) throw std::runtime_error("planted failure");
    if (ends_) co_return std::nullopt;
    const auto executor = co_await boost::asio::this_coro::executor;
    boost::asio::steady_timer never(executor, boost::asio::steady_timer::time_point::max());
    const auto result = co_await never.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    probe_->stream_cancelled.set_value();
    throw boost::system::system_error(std::get<0>(result));
  }

 private:
  std::shared_ptr<Probe> probe_;
  unsigned long count_;
  unsigned long sent_ = 0;
  std::size_t padding_;
  bool ends_;
  bool breaks_;
};

Task<Response> stream(std::shared_ptr<Probe> probe, Request request) {
  Response response;
  response.content_type = "text/event-stream";
  const unsigned long count = std::stoul(request.query_value("n").value_or("1"));
  const std::size_t padding = std::stoul(request.query_value("size").value_or("0"));
  response.stream = std::make_shared<Pieces>(probe, count, padding, request.query_value("end").has_value(),
                                             request.query_value("break").has_value());
  co_return response;
}

Router make_router(std::shared_ptr<Probe> probe) {
  Router router;
  const auto add = [&](std::string method, std::string pattern, Handler handler, bool needs_auth = false,
                       std::size_t limit = limits::kHttpBodyBytesMax) {
    const auto added = router.add({std::move(method), std::move(pattern), std::move(handler), needs_auth, limit});
    EXPECT_TRUE(added);
  };
  add("GET", "/hello", hello);
  add("GET", "/secret", hello, true);
  add("GET", "/items/{id}", item);
  add("POST", "/echo", echo, false, 1000);
  add("POST", "/large", echo);
  add("POST", "/guarded", echo, true);
  const auto guarded = router.guard("POST", "/guarded", [](const Request& request) -> std::optional<Response> {
    if (!request.header("X-Ticket").empty()) return std::nullopt;
    Response refusal = text("no ticket");
    refusal.status = 429;
    return refusal;
  });
  EXPECT_TRUE(guarded);
  add("GET", "/throw", fail);
  add("GET", "/bytes", bytes);
  add("GET", "/empty", empty);
  add("GET", "/wait", [probe](Request) { return wait(probe); });
  add("GET", "/stream", [probe](Request request) { return stream(probe, std::move(request)); });
  return router;
}

}  // namespace

TestServer::TestServer(ServerOptions options) {
  probe = std::make_shared<Probe>(runtime.context());
  if (!options.authenticate) {
    options.authenticate = [](const Request& request) -> std::optional<Response> {
      if (request.header("Authorization") == "Bearer good") return std::nullopt;
      Response refusal;
      refusal.status = 401;
      refusal.body = R"({"error":"unauthorized"})";
      return refusal;
    };
  }
  server = std::make_unique<Server>(runtime.context().get_executor(), make_router(probe), std::move(options));
  const auto started = server->start();
  EXPECT_TRUE(started) << started.error().message();
  runtime.start();
}

TestServer::~TestServer() {
  if (stops_by_itself) stop(Duration::zero());
  runtime.stop();
}

void TestServer::open_gate() {
  boost::asio::post(runtime.context(), [p = probe] { p->gate.cancel(); });
}

}  // namespace sandboxd::http::test
