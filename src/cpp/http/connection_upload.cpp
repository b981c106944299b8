// The part of a client connection that sends a body while it is read, and listens for an early answer.
#include "aio/transfer_whole.hpp"
#include "http/connection.hpp"
#include "http/wire.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/write.hpp>

#include <array>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

constexpr int kRefusals = 400;  // and above

// A refusal, or no answer, ends the sending. Who answers anything else may still read: `cat` behind HTTP does. The
// sending's end leaves the answer to come.
struct WhenAnswered {
  Connection& connection;

  template <class E>
  asio::cancellation_type_t operator()(const E&) const {
    return asio::cancellation_type_t::none;
  }
  template <class E>
  asio::cancellation_type_t operator()(const E& failure, const Result<void>& answered) const {
    const bool may_want_more = !failure && answered && connection.parser().status() < kRefusals;
    return may_want_more ? asio::cancellation_type_t::none : asio::cancellation_type_t::terminal;
  }
};

}  // namespace

struct Connection::Upload {
  std::shared_ptr<BodyReader> body;
  Duration patience{};
};

Task<Result<void>> Connection::exchange_header(std::string head, std::shared_ptr<BodyReader> body, Duration patience) {
  begin_exchange(head);
  const auto self = shared_from_this();
  const auto what = std::make_shared<Upload>(Upload{std::move(body), patience});
  const auto executor = socket_.get_executor();
  auto group = asio::experimental::make_parallel_group(
      asio::co_spawn(executor, upload(self, std::move(head), what), asio::deferred),
      asio::co_spawn(executor, read_answer(self), asio::deferred));
  const WhenAnswered when_answered{*this};
  auto ends = co_await group.async_wait(when_answered, asio::use_awaitable);
  if (source_failure_) co_return *source_failure_;
  if (const std::exception_ptr failure = std::get<2>(ends)) std::rethrow_exception(failure);
  if (has_timed_out_) co_return failure(asio::error::timed_out);
  co_return std::get<3>(std::move(ends));
}

Task<Result<void>> Connection::exchange_duplex(std::string head, std::shared_ptr<BodyReader> body, Duration patience) {
  begin_exchange(head);
  const auto self = shared_from_this();
  const auto what = std::make_shared<Upload>(Upload{std::move(body), patience});
  sending_.emplace(socket_.get_executor());
  sending_->spawn("request body", upload(self, std::move(head), what));
  std::optional<Result<void>> answered;
  std::exception_ptr cancelled;
  try {
    answered = co_await read_header({});
  } catch (...) {
    cancelled = std::current_exception();
  }
  const bool may_want_more = answered && *answered && parser_->status() < kRefusals;
  if (!may_want_more) sending_->cancel();
  if (source_failure_) co_return *source_failure_;
  if (cancelled) std::rethrow_exception(cancelled);
  co_return *std::move(answered);
}

Task<void> Connection::wait_until_sent(std::shared_ptr<Connection> self) {
  if (self->sending_) co_await self->sending_->join();
}

void Connection::abandon() {
  if (sending_) sending_->cancel();
  close();
}

void Connection::allow_sending(Duration patience) {
  sending_deadline_ =
      std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(patience);
  if (sending_deadline_ < wakes_at_) wake_at(sending_deadline_);
}

Task<Result<void>> Connection::read_answer(std::shared_ptr<Connection> self) {
  auto result = co_await self->read_header({});
  co_return result;
}

Task<void> Connection::upload(std::shared_ptr<Connection> self, std::string head, std::shared_ptr<Upload> upload) {
  self->clear_deadline();
  const auto announced = upload->body->length();
  std::uint64_t left = announced.value_or(0);
  std::string text = std::move(head);
  bool is_last = false;
  while (!is_last || !text.empty()) {
    self->allow_sending(upload->patience);
    const auto written = co_await asio::async_write(self->socket_, asio::buffer(text), aio::TransferWhole(), kToken);
    self->sending_deadline_ = SteadyTime::max();
    if (std::get<0>(written)) co_return;  // whoever reads the answer finds out why
    text.clear();
    if (is_last) break;
    // No deadline: how long the source may take is its own affair.
    auto piece = co_await upload->body->next();
    if (!piece) self->source_failure_ = piece.error();
    is_last = piece && !*piece;
    const std::size_t size = piece && *piece ? (*piece)->size() : 0;
    if (announced && (size > left || (is_last && left > 0))) {
      self->source_failure_ = Error(ErrorCode::internal, "a body of another length than announced");
    }
    if (self->source_failure_) {
      self->close();
      co_return;
    }
    left -= announced ? size : 0;
    if (size > 0) text = announced ? **std::move(piece) : chunk_prefix(size) + **std::move(piece) + "\r\n";
    if (is_last && !announced) text = kLastChunk;
  }
  self->is_sent_ = true;
  if (self->parser_->has_header()) co_return;
  self->set_deadline(std::chrono::steady_clock::now() +
                     std::chrono::duration_cast<std::chrono::steady_clock::duration>(upload->patience));
}

PrefixedSocket Connection::take_socket() {
  clear_deadline();
  std::string received(buffer_.view());
  buffer_.consume(buffer_.size());
  return {std::move(socket_), std::move(received)};
}

}  // namespace sandboxd::http
