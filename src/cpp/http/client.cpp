#include "http/client.hpp"

#include "http/connection.hpp"
#include "http/raw_source.hpp"
#include "http/target.hpp"
#include "http/web_socket_wire.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string_view>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;
using Connected = std::shared_ptr<Connection>;

bool may_repeat(std::string_view method) { return method == "GET" || method == "DELETE"; }

SteadyClock::time_point after(Duration timeout) {
  return SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(timeout);
}

// "POST 10.0.0.1:8080/v1/sandboxes": what an error is about. The query may hold anything and is left out.
std::string describe(const ClientRequest& request) {
  return request.method + " " + request.target.substr(0, request.target.find('?'));
}

class Stream final : public ClientStream, public RawSource {
 public:
  using GiveBack = std::function<void(const Connected&)>;
  Stream(Connected connection, GiveBack give_back)
      : connection_(std::move(connection)), give_back_(std::move(give_back)), status_(connection_->parser().status()) {}
  ~Stream() override { connection_->is_reusable() ? give_back_(connection_) : connection_->abandon(); }

  Task<Result<std::optional<std::string>>> next(Duration idle) override {
    idle_ = idle;
    return read(connection_, idle, taken_);
  }
  std::optional<std::string> take_whole() override {
    if (!connection_->has_whole_answer()) return std::nullopt;
    return connection_->parser().take_body();
  }
  [[nodiscard]] std::uint64_t raw_bytes_left() const override { return connection_->raw_bytes_left(*taken_); }
  Task<Result<std::size_t>> next_into(int pipe, std::size_t room) override {
    return move(connection_, pipe, room, idle_, taken_);
  }
  [[nodiscard]] int status() const override { return status_; }
  [[nodiscard]] const std::string& content_type() const override { return connection_->parser().content_type(); }
  [[nodiscard]] const Headers& headers() const override { return connection_->parser().headers(); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return connection_->parser().content_length(); }
  std::shared_ptr<ByteStream> take_over() override {
    if (status_ != 101) return nullptr;
    return std::make_shared<ByteStream>(connection_->take_socket());
  }
  [[nodiscard]] std::function<Task<void>()> rest_of_request() const override {
    if (!connection_->is_sending()) return {};
    return [connection = connection_] { return Connection::wait_until_sent(connection); };
  }

 private:
  static Task<Result<std::optional<std::string>>> read(Connected connection, Duration idle,
                                                       std::shared_ptr<std::uint64_t> taken) {
    ResponseParser& parser = connection->parser();
    if (connection->has_timed_out()) {
      co_return Error(ErrorCode::deadline_exceeded, connection->peer() + ": the stream has ended for want of data");
    }
    // What went past the parser is not known to it.
    if (parser.content_length() == *taken) co_return std::optional<std::string>();
    connection->set_deadline(after(idle));
    std::string piece = parser.take_body();
    while (piece.empty()) {
      SBX_CO_TRY(more, co_await connection->read_more());
      piece = parser.take_body();
      if (!more) break;
    }
    connection->clear_deadline();
    if (piece.empty()) co_return std::optional<std::string>();
    *taken += piece.size();
    co_return std::optional<std::string>(std::move(piece));
  }
  static Task<Result<std::size_t>> move(Connected connection, int pipe, std::size_t room, Duration idle,
                                        std::shared_ptr<std::uint64_t> taken) {
    const std::uint64_t left = connection->raw_bytes_left(*taken);
    connection->set_deadline(after(idle));
    auto moved = co_await connection->move_into(pipe, std::min<std::uint64_t>(room, left));
    connection->clear_deadline();
    if (moved) *taken += *moved;
    co_return moved;
  }

  Connected connection_;
  GiveBack give_back_;
  int status_;
  std::shared_ptr<std::uint64_t> taken_ = std::make_shared<std::uint64_t>(0);  // of the body
  Duration idle_ = std::chrono::minutes(1);                                    // as the last caller of next() wanted it
};

class PassedOn final : public BodyStream, public RawSource {
 public:
  PassedOn(std::unique_ptr<ClientStream> from, Duration idle)
      : from_(std::move(from)), raw_(dynamic_cast<RawSource*>(from_.get())), idle_(idle) {}

  Task<std::optional<std::string>> next() override {
    auto piece = co_await from_->next(idle_);
    if (!piece) throw ErrorException(piece.error());
    has_begun_ = true;
    co_return *std::move(piece);
  }
  // The first piece is read: what came with the header is in it.
  [[nodiscard]] std::uint64_t raw_bytes_left() const override {
    return has_begun_ && raw_ != nullptr ? raw_->raw_bytes_left() : 0;
  }
  Task<Result<std::size_t>> next_into(int pipe, std::size_t room) override { return raw_->next_into(pipe, room); }

 private:
  std::unique_ptr<ClientStream> from_;
  RawSource* raw_;
  bool has_begun_ = false;
  Duration idle_;
};

}  // namespace

std::shared_ptr<BodyStream> pass_on(std::unique_ptr<ClientStream> from, Duration idle) {
  return std::make_shared<PassedOn>(std::move(from), idle);
}

class Client::Impl : public std::enable_shared_from_this<Client::Impl> {
 public:
  Impl(const asio::any_io_executor& e, ClientOptions o) : executor(e), options(o), timer(e) {}

  // A connection whose answer has its header; its deadline is set.
  static Task<Result<Connected>> start(std::shared_ptr<Impl> self, std::shared_ptr<ClientRequest> request) {
    const auto deadline = after(request->timeout);
    SBX_CO_TRY(head, format_request(*request));
    const std::string peer = format_authority(request->host, request->port);
    Connected connection = self->take(peer);
    if (connection) {
      connection->set_deadline(deadline);
      const bool may_retry = may_repeat(request->method) && !request->body_stream;
      const auto result = co_await exchange(connection, head, request, may_retry);
      if (result) co_return connection;
      connection->close();
      if (!may_retry || !connection->was_stale()) co_return result.error();
    }
    const Duration left = deadline - SteadyClock::now();
    const Duration limit = std::clamp(left, Duration::zero(), self->options.connect_timeout);
    SBX_CO_TRY(fresh, co_await Connection::open(self->executor, request->host, request->port, limit));
    fresh->set_deadline(deadline);
    SBX_CO_CHECK(co_await exchange(fresh, std::move(head), request, false));
    co_return fresh;
  }

  static Task<Result<void>> exchange(Connected connection, std::string head, std::shared_ptr<ClientRequest> request,
                                     bool may_repeat_it) {
    if (request->body_stream) {
      if (request->is_duplex) {
        auto begun = co_await connection->exchange_duplex(std::move(head), request->body_stream, request->timeout);
        co_return begun;
      }
      auto uploaded = co_await connection->exchange_header(std::move(head), request->body_stream, request->timeout);
      co_return uploaded;
    }
    // A request that may be repeated keeps its body.
    std::string body = may_repeat_it ? request->body : std::move(request->body);
    auto sent = co_await connection->exchange_header(std::move(head), std::move(body));
    co_return sent;
  }

  static Task<Result<ClientResponse>> send(std::shared_ptr<Impl> self, ClientRequest given) {
    given.is_duplex = false;
    const auto request = std::make_shared<ClientRequest>(std::move(given));
    const auto about = [&](const Error& error) { return error.with_context(describe(*request)); };
    auto started = co_await start(self, request);
    if (!started) co_return about(started.error());
    const Connected connection = *std::move(started);
    ResponseParser& parser = connection->parser();
    parser.set_body_limit(request->body_bytes_max);
    if (parser.fault() == ParseFault::body_too_large) {
      co_return about(Error(ErrorCode::too_large, connection->peer() + ": answer is too large"));
    }
    while (!parser.is_done()) {
      const auto more = co_await connection->read_more();
      if (!more) co_return about(more.error());
    }
    connection->clear_deadline();
    ClientResponse response{parser.status(), parser.content_type(), std::move(parser.headers()), parser.take_body()};
    if (connection->is_reusable()) self->put(connection);
    co_return response;
  }

  static Task<Result<std::unique_ptr<ClientStream>>> open_stream(std::shared_ptr<Impl> self, ClientRequest given) {
    const auto request = std::make_shared<ClientRequest>(std::move(given));
    auto started = co_await start(self, request);
    if (!started) co_return started.error().with_context(describe(*request));
    const Connected connection = *std::move(started);
    connection->clear_deadline();
    auto give_back = [weak = self->weak_from_this()](const Connected& used) {
      if (const auto pool = weak.lock()) pool->put(used);
    };
    co_return std::unique_ptr<ClientStream>(std::make_unique<Stream>(connection, std::move(give_back)));
  }

  static Task<Result<std::shared_ptr<WebSocket>>> open_web_socket(std::shared_ptr<Impl> self, ClientRequest request,
                                                                  WebSocketOptions wanted) {
    const auto deadline = after(request.timeout);
    const auto about = [&](const Error& error) { return error.with_context(describe(request)); };
    const auto checked = format_request(request);
    if (!checked) co_return checked.error();
    const Duration limit = std::min(request.timeout, self->options.connect_timeout);
    auto opened = co_await Connection::open(self->executor, request.host, request.port, limit);
    if (!opened) co_return about(opened.error());
    const auto bytes = std::make_shared<ByteStream>((*opened)->take_socket());
    std::string authority = request.host_header;
    if (authority.empty()) authority = format_authority(request.host, request.port);
    auto result =
        co_await request_web_socket(bytes, authority, request.target, request.headers, std::move(wanted), deadline);
    if (!result) co_return about(result.error());
    co_return result;
  }

  // The idle connection used last: the likeliest to be alive. Null without one.
  Connected take(const std::string& peer) {
    const auto found = idle.find(peer);
    if (found == idle.end()) return nullptr;
    Connected connection;
    while (!found->second.empty() && !connection) {
      connection = std::move(found->second.back());
      found->second.pop_back();
      --idle_total;
      if (!connection->is_alive()) connection.reset();
    }
    if (found->second.empty()) idle.erase(found);
    return connection;
  }

  void put(const Connected& connection) {
    if (is_closed || idle_total >= options.idle_total_max) return;
    auto& same = idle[connection->peer()];
    if (same.size() < options.idle_per_host_max) {
      connection->idle_since = SteadyClock::now();
      same.push_back(connection);
      ++idle_total;
      if (!is_sweeping) sweep_later();
    } else if (same.empty()) {
      idle.erase(connection->peer());
    }
  }

  // One timer for the whole pool, running only while something is in it.
  void sweep_later() {
    is_sweeping = true;
    timer.expires_after(std::max<Duration>(options.idle_timeout / 4, std::chrono::milliseconds(1)));
    timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self) return;
      self->is_sweeping = false;
      if (!error && !self->is_closed) self->sweep();
    });
  }

  void sweep() {
    const auto oldest = SteadyClock::now() - options.idle_timeout;
    for (auto at = idle.begin(); at != idle.end();) {
      auto& connections = at->second;
      while (!connections.empty() && connections.front()->idle_since <= oldest) {
        connections.pop_front();
        --idle_total;
      }
      at = connections.empty() ? idle.erase(at) : std::next(at);
    }
    if (!idle.empty()) sweep_later();
  }

  void close() {
    is_closed = true;
    idle.clear();
    idle_total = 0;
    timer.cancel();
  }

  asio::any_io_executor executor;
  ClientOptions options;
  asio::steady_timer timer;
  std::map<std::string, std::deque<Connected>> idle;  // by peer, the longest idle first
  std::size_t idle_total = 0;
  bool is_sweeping = false;
  bool is_closed = false;
};

Client::Client(asio::any_io_executor executor, ClientOptions options)
    : impl_(std::make_shared<Impl>(executor, options)) {}

Client::~Client() { impl_->close(); }

Task<Result<ClientResponse>> Client::send(ClientRequest request) { return Impl::send(impl_, std::move(request)); }

Task<Result<std::unique_ptr<ClientStream>>> Client::open_stream(ClientRequest request) {
  return Impl::open_stream(impl_, std::move(request));
}

Task<Result<std::shared_ptr<WebSocket>>> Client::open_web_socket(ClientRequest request, WebSocketOptions options) {
  return Impl::open_web_socket(impl_, std::move(request), std::move(options));
}

}  // namespace sandboxd::http
