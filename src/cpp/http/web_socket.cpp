// WebSockets over Boost.Beast; with parser.cpp the only files that see it.
#include "http/web_socket.hpp"

#include "aio/notifier.hpp"
#include "aio/semaphore.hpp"
#include "http/text.hpp"
#include "http/web_socket_wire.hpp"
#include "http/wire.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>

namespace sandboxd::http {

// How Beast ends a connection whose socket is ours.
template <class Completion>
void async_teardown(boost::beast::role_type role, PrefixedSocket& socket, Completion&& completion) {
  boost::beast::websocket::async_teardown(role, socket.socket(), std::forward<Completion>(completion));
}
inline void teardown(boost::beast::role_type role, PrefixedSocket& socket, boost::system::error_code& error) {
  boost::beast::websocket::teardown(role, socket.socket(), error);
}
inline void beast_close_socket(PrefixedSocket& socket) {
  boost::system::error_code ignored;
  socket.socket().close(ignored);
}

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kWriteBytes = 64 * 1024;
constexpr std::size_t kRefusalBytesMax = 4096;

SteadyClock::duration steady(Duration duration) { return std::chrono::duration_cast<SteadyClock::duration>(duration); }

class BeastWebSocket final : public WebSocket, public std::enable_shared_from_this<BeastWebSocket> {
 public:
  using Stream = beast::websocket::stream<PrefixedSocket, false>;

  BeastWebSocket(PrefixedSocket socket, WebSocketOptions options)
      : stream_(std::move(socket)),
        options_(std::move(options)),
        timer_(stream_.get_executor()),
        closing_(stream_.get_executor()),
        writing_(stream_.get_executor(), 1),
        arrived_(stream_.get_executor()) {
    stream_.read_message_max(options_.message_bytes_max);
    stream_.auto_fragment(false);
    stream_.write_buffer_bytes(kWriteBytes);
  }
  ~BeastWebSocket() override { abort(); }

  void limit_handshake(SteadyClock::time_point deadline) {
    timer_.expires_at(deadline);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self || self->is_open_) return;
      self->is_late_ = true;
      self->abort();
    });
  }
  [[nodiscard]] bool is_late() const { return is_late_; }

  // After the handshake.
  void start() {
    is_open_ = true;
    heard_ = SteadyClock::now();
    stream_.control_callback([this](beast::websocket::frame_type, beast::string_view) { heard_ = SteadyClock::now(); });
    tick_later();
  }

  [[nodiscard]] Stream& stream() { return stream_; }

  Task<Result<std::optional<WebSocketMessage>>> read() override { return read(shared_from_this()); }
  Task<Result<void>> write(WebSocketMessage message) override { return write(shared_from_this(), std::move(message)); }
  Task<void> close(int code, std::string reason) override { return close(shared_from_this(), code, std::move(reason)); }
  [[nodiscard]] std::pair<int, std::string> peer_close() const override { return peer_close_; }
  void abort() override {
    is_open_ = false;
    boost::system::error_code ignored;
    stream_.next_layer().socket().close(ignored);
    timer_.cancel();
    closing_.cancel();
  }

 private:
  using Self = std::shared_ptr<BeastWebSocket>;

  // Beast's read goes on when the caller's is cancelled: one that was cut off would leave no way to say goodbye.
  void start_reading() {
    is_reading_ = true;
    heard_ = SteadyClock::now();
    stream_.async_read(buffer_, [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
      self->is_reading_ = false;
      self->outcome_ = error;
      self->arrived_.notify();
    });
  }

  static Task<Result<std::optional<WebSocketMessage>>> read(Self self) {
    if (!self->is_open_ && !self->outcome_) co_return self->over();
    if (!self->is_reading_ && !self->outcome_) self->start_reading();
    while (!self->outcome_) co_await self->arrived_.wait();
    const boost::system::error_code error = *std::exchange(self->outcome_, std::nullopt);
    if (!error) {
      const auto bytes = self->buffer_.cdata();
      WebSocketMessage message{std::string(static_cast<const char*>(bytes.data()), bytes.size()),
                               self->stream_.got_text()};
      self->buffer_.clear();
      self->buffer_.shrink_to_fit();
      co_return std::optional<WebSocketMessage>(std::move(message));
    }
    if (error == beast::websocket::error::closed) {
      const auto& why = self->stream_.reason();
      const int code = why.code == beast::websocket::close_code::none ? kCloseNoCode : static_cast<int>(why.code);
      self->peer_close_ = {code, std::string(why.reason.data(), why.reason.size())};
      self->abort();
      co_return std::optional<WebSocketMessage>();
    }
    const Error failure = self->describe(error);
    self->abort();
    co_return failure;
  }

  static Task<Result<void>> write(Self self, WebSocketMessage message) {
    const auto permit = co_await self->writing_.acquire();
    if (!self->is_open_) co_return self->over();
    self->stream_.text(message.is_text);
    self->write_until_ = SteadyClock::now() + steady(self->options_.write_timeout);
    const auto result = co_await self->stream_.async_write(asio::buffer(message.data), kToken);
    self->write_until_ = SteadyClock::time_point::max();
    const auto error = std::get<0>(result);
    if (!error) co_return Result<void>();
    const bool was_open = self->is_open_;
    const Error failure = self->describe(error);
    self->abort();  // a frame half sent cannot be followed by another
    if (error == asio::error::operation_aborted && was_open) throw boost::system::system_error(error);
    co_return failure;
  }

  static Task<void> close(Self self, int code, std::string reason) {
    if (!self->is_open_) co_return;
    self->closing_.expires_after(steady(self->options_.close_timeout));
    self->closing_.async_wait([weak = self->weak_from_this()](const boost::system::error_code& error) {
      const auto alive = weak.lock();
      if (!error && alive) alive->abort();
    });
    beast::websocket::close_reason why(static_cast<beast::websocket::close_code>(code));
    why.reason.assign(reason.data(), std::min<std::size_t>(reason.size(), 123));
    co_await self->stream_.async_close(why, kToken);
    self->abort();
  }

  [[nodiscard]] Error over() const {
    if (is_late_) return {ErrorCode::deadline_exceeded, "web socket: the peer no longer answers"};
    return {ErrorCode::unavailable, "web socket: the connection is over"};
  }

  [[nodiscard]] Error describe(const boost::system::error_code& error) const {
    if (is_late_ || !is_open_) return over();
    if (error == beast::websocket::error::message_too_big) {
      return {ErrorCode::too_large,
              "web socket: message larger than " + std::to_string(options_.message_bytes_max) + " bytes"};
    }
    const bool is_broken = error == asio::error::eof || error.category() == boost::system::system_category();
    return {is_broken ? ErrorCode::unavailable : ErrorCode::protocol_error, "web socket: " + error.message()};
  }

  // One timer asks a silent peer and ends what takes too long.
  void tick_later() {
    const Duration step = std::min(options_.ping_interval, options_.write_timeout) / 2;
    timer_.expires_after(std::max<SteadyClock::duration>(steady(step), std::chrono::milliseconds(1)));
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self && self->is_open_) self->tick();
    });
  }

  void tick() {
    const auto now = SteadyClock::now();
    const auto interval = steady(options_.ping_interval);
    const bool is_dead = is_reading_ && now - heard_ >= 2 * interval;
    if (is_dead || now >= write_until_) {
      is_late_ = true;
      abort();
      return;
    }
    if (now - heard_ >= interval / 2 && !is_pinging_) {
      is_pinging_ = true;
      stream_.async_ping({},
                         [self = shared_from_this()](const boost::system::error_code&) { self->is_pinging_ = false; });
    }
    tick_later();
  }

  Stream stream_;
  WebSocketOptions options_;
  asio::steady_timer timer_;
  asio::steady_timer closing_;
  aio::Semaphore writing_;
  aio::Notifier arrived_;
  beast::flat_buffer buffer_;
  std::optional<boost::system::error_code> outcome_;  // of a read that nobody has taken yet
  std::pair<int, std::string> peer_close_{kCloseLost, {}};
  SteadyClock::time_point heard_;  // when the peer said anything, or a read began
  SteadyClock::time_point write_until_ = SteadyClock::time_point::max();
  bool is_open_ = false;
  bool is_reading_ = false;
  bool is_pinging_ = false;
  bool is_late_ = false;
};

// What users hold: its end closes the connection, whatever still waits on it.
class Held final : public WebSocket {
 public:
  explicit Held(std::shared_ptr<BeastWebSocket> socket) : socket_(std::move(socket)) {}
  ~Held() override { socket_->abort(); }

  Task<Result<std::optional<WebSocketMessage>>> read() override { return socket_->read(); }
  Task<Result<void>> write(WebSocketMessage message) override { return socket_->write(std::move(message)); }
  Task<void> close(int code, std::string reason) override { return socket_->close(code, std::move(reason)); }
  [[nodiscard]] std::pair<int, std::string> peer_close() const override { return socket_->peer_close(); }
  void abort() override { socket_->abort(); }

 private:
  std::shared_ptr<BeastWebSocket> socket_;
};

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (equals_ignoring_case(item, token)) return true;
  }
  return false;
}

}  // namespace

bool wants_web_socket(const Request& request) {
  return request.method == "GET" && has_token(request.header("Connection"), "upgrade") &&
         has_token(request.header("Upgrade"), "websocket") && request.header("Sec-WebSocket-Version") == "13" &&
         request.header("Sec-WebSocket-Key").size() == 24;
}

Response accept_web_socket(Request request, WebSocketRun run, WebSocketOptions options) {
  if (!wants_web_socket(request)) {
    Response refusal = default_error(426, "this is a WebSocket: ask for it with Upgrade, version 13");
    refusal.headers.emplace_back("Upgrade", "websocket");
    refusal.headers.emplace_back("Sec-WebSocket-Version", "13");
    return refusal;
  }
  Response response;
  response.status = 101;
  response.web_socket = std::make_shared<const WebSocketAnswer>(std::move(request), std::move(run), std::move(options));
  return response;
}

Task<Result<std::shared_ptr<WebSocket>>> serve_web_socket(std::shared_ptr<ByteStream> bytes,
                                                          std::shared_ptr<const WebSocketAnswer> answer,
                                                          std::vector<std::pair<std::string, std::string>> headers) {
  beast::http::request<beast::http::empty_body> asked;
  asked.method(beast::http::verb::get);
  asked.target(answer->request.target);
  asked.version(11);
  for (const auto& [name, value] : answer->request.headers) asked.insert(name, value);
  const auto socket = std::make_shared<BeastWebSocket>(bytes->take_socket(), answer->options);
  const std::string& subprotocol = answer->options.subprotocol;
  beast::websocket::stream_base::decorator decorator([&](beast::websocket::response_type& response) {
    for (const auto& [name, value] : headers) response.set(name, value);
    if (!subprotocol.empty()) response.set("Sec-WebSocket-Protocol", subprotocol);
  });
  socket->stream().set_option(std::move(decorator));
  const auto result = co_await socket->stream().async_accept(asked, kToken);
  const auto error = std::get<0>(result);
  if (error) co_return Error(ErrorCode::unavailable, "web socket: " + error.message());
  socket->start();
  co_return std::shared_ptr<WebSocket>(std::make_shared<Held>(socket));
}

Task<Result<std::shared_ptr<WebSocket>>> request_web_socket(std::shared_ptr<ByteStream> bytes, std::string authority,
                                                            std::string target,
                                                            std::vector<std::pair<std::string, std::string>> headers,
                                                            WebSocketOptions options,
                                                            SteadyClock::time_point deadline) {
  const auto socket = std::make_shared<BeastWebSocket>(bytes->take_socket(), options);
  beast::websocket::stream_base::decorator decorator([&](beast::websocket::request_type& request) {
    for (const auto& [name, value] : headers) request.set(name, value);
    if (!options.subprotocol.empty()) request.set("Sec-WebSocket-Protocol", options.subprotocol);
  });
  socket->stream().set_option(std::move(decorator));
  beast::websocket::response_type answer;
  socket->limit_handshake(deadline);
  const auto result = co_await socket->stream().async_handshake(answer, authority, target, kToken);
  const auto error = std::get<0>(result);
  if (socket->is_late()) {
    co_return Error(ErrorCode::deadline_exceeded, authority + ": no answer in time");
  }
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (!error) {
    socket->start();
    co_return std::shared_ptr<WebSocket>(std::make_shared<Held>(socket));
  }
  if (error != beast::websocket::error::upgrade_declined) {
    const bool is_nonsense = error.category() != boost::system::system_category() && error != asio::error::eof;
    co_return Error(is_nonsense ? ErrorCode::protocol_error : ErrorCode::unavailable,
                    authority + ": " + error.message());
  }
  const std::string_view named(answer["X-Sandboxd-Error"].data(), answer["X-Sandboxd-Error"].size());
  const int status = static_cast<int>(answer.result_int());
  const auto code = parse_error_code(named.empty() ? error_name(status) : named);
  std::string text = answer.body().substr(0, kRefusalBytesMax);
  if (text.empty()) text = "web socket refused with status " + std::to_string(status);
  co_return Error(code.value_or(ErrorCode::protocol_error), authority + ": " + text);
}

}  // namespace sandboxd::http
