// The part of a session that reads bodies: whole, or as the handler asks for them while they arrive.
#include "http/session_body.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

#include <algorithm>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kBodyReadBytes = 64 * 1024;      // at a time, at first
constexpr std::size_t kBodyReadBytesMax = 256 * 1024;  // of a sender that is fast
constexpr std::size_t kWatchReadBytes = 1024;
constexpr std::size_t kHeldBytesMax = 64 * 1024;  // of later requests

// The handler's end ends all; the watch only when it has found the client gone.
struct WhenHandled {
  template <class E>
  asio::cancellation_type_t operator()(const E&, const Response&) const {
    return asio::cancellation_type_t::terminal;
  }
  template <class E>
  asio::cancellation_type_t operator()(const E&, bool is_gone) const {
    return is_gone ? asio::cancellation_type_t::terminal : asio::cancellation_type_t::none;
  }
};

}  // namespace

Session::Body::Body(const std::shared_ptr<Session>& session)
    : session_(session), length_(session->parser_.content_length()), ended_(session->server_->executor) {}

std::shared_ptr<Session::Body> Session::Body::make(const std::shared_ptr<Session>& session) {
  auto body = std::make_shared<Body>(session);
  body->self_ = body;
  return body;
}

bool Session::Body::detach() {
  session_.reset();
  return !is_reading_;
}

Task<Result<std::optional<std::string>>> Session::Body::read(std::shared_ptr<Body> self) {
  const auto session = self->session_.lock();
  if (!session) co_return Error(ErrorCode::cancelled, "the request is over: its body cannot be read any more");
  if (self->is_reading_) co_return Error(ErrorCode::internal, "a request's body is read twice at a time");
  self->is_reading_ = true;
  std::exception_ptr failure;
  Result<std::optional<std::string>> piece = std::optional<std::string>();
  try {
    piece = co_await session->read_piece();
  } catch (...) {
    failure = std::current_exception();
  }
  self->is_reading_ = false;
  const bool is_last = failure || !piece || !*piece;
  if (is_last || session->is_whole() || self->is_detached()) self->ended_.notify();
  if (failure) std::rethrow_exception(failure);
  co_return piece;
}

// A client that waits for leave to send its body gets it. False when it is gone.
Task<bool> Session::send_continue() {
  if (is_continued_ || !parser_.expects_continue() || !parser_.is_http_1_1() || !buffer_.empty()) co_return true;
  is_continued_ = true;
  is_continuing_ = true;
  const bool sent = co_await send(std::string(kContinue), {});
  is_continuing_ = false;
  if (body_) body_->notify();
  co_return sent;
}

Task<Session::Outcome> Session::read_body() {
  const bool sent = co_await send_continue();
  if (!sent) co_return Outcome::ended;
  set_deadline(Activity::reading, server_->options.body_timeout);
  while (true) {
    buffer_.consume(parser_.feed(buffer_.view()));
    if (parser_.fault() != ParseFault::none) co_return Outcome::fault;
    if (parser_.is_done()) co_return Outcome::complete;
    const auto failure = co_await receive(kBodyReadBytes);
    if (is_expired_) co_return Outcome::timed_out;
    if (failure) co_return Outcome::ended;
  }
}

Task<Result<std::optional<std::string>>> Session::read_piece() {
  bool may_feed = true;
  while (true) {
    std::string piece = parser_.take_body();
    if (!piece.empty()) co_return std::optional<std::string>(std::move(piece));
    if (parser_.fault() == ParseFault::body_too_large) {
      body_outcome_ = Outcome::fault;
      co_return Error(ErrorCode::too_large, "request body too large");
    }
    if (parser_.fault() != ParseFault::none) {
      body_outcome_ = Outcome::fault;
      co_return Error(ErrorCode::protocol_error, "malformed request: " + parser_.fault_text());
    }
    if (parser_.is_done()) co_return std::optional<std::string>();
    if (may_feed) {
      may_feed = false;
      const bool is_there = co_await send_continue();
      if (!is_there) co_return Error(ErrorCode::unavailable, "the client is gone");
      buffer_.consume(parser_.feed(buffer_.view()));
      continue;
    }
    // While an answer is sent, its own times count; after it, nobody waits for the rest for ever.
    if (!is_duplex_) set_deadline(Activity::reading, server_->options.body_timeout);
    if (is_answered_) set_deadline(Activity::draining, server_->options.body_timeout);
    const auto failure = co_await receive(read_bytes_);
    if (buffer_.size() >= read_bytes_) read_bytes_ = std::min(2 * read_bytes_, kBodyReadBytesMax);
    if (!is_duplex_) clear_deadline(Activity::handling);
    if (is_expired_) {
      body_outcome_ = Outcome::timed_out;
      co_return Error(ErrorCode::deadline_exceeded, "the request did not arrive in time");
    }
    if (failure == asio::error::operation_aborted && !is_gone_) throw boost::system::system_error(failure);
    if (failure) {
      is_gone_ = true;
      co_return Error(ErrorCode::unavailable, "the client is gone");
    }
    buffer_.consume(parser_.feed(buffer_.view()));
  }
}

Task<bool> Session::handle_body(std::shared_ptr<Session> self, const Route* route, Response* response,
                                std::exception_ptr* failure) {
  self->parser_.stream_body();
  self->read_bytes_ = kBodyReadBytes;
  self->body_ = Body::make(self);
  Request request = std::move(self->parser_.request());
  request.body_reader = self->body_;
  auto group = asio::experimental::make_parallel_group(
      asio::co_spawn(self->server_->executor, route->handler(std::move(request)), asio::deferred),
      asio::co_spawn(self->server_->executor, watch_handled(self), asio::deferred));
  const WhenHandled when_handled;
  auto ends = co_await group.async_wait(when_handled, asio::use_awaitable);
  *failure = std::get<1>(ends);
  *response = std::move(std::get<2>(ends));
  if (response->reads_on && !*failure) co_return !self->is_gone_;
  const bool is_read_to_end = self->body_->detach();
  self->body_.reset();
  if (!is_read_to_end) {
    self->server_->log.error("a handler ended while its request's body was read", {{"path", self->path_}});
    self->abort();
  }
  co_return !self->is_gone_;
}

// Once the body is there nothing more is expected, so an end says that nobody waits for the answer.
Task<bool> Session::watch_handled(std::shared_ptr<Session> self) {
  while (!self->is_whole()) co_await self->body_->wait_for_end();
  while (self->buffer_.size() < kHeldBytesMax) {
    const auto failure = co_await self->receive(kWatchReadBytes);
    if (failure == asio::error::operation_aborted) co_return false;
    if (!failure) continue;
    self->is_gone_ = true;
    co_return true;
  }
  co_return false;
}

}  // namespace sandboxd::http
