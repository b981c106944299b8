// The part of a session that sends a body piece by piece while it watches the client.
#include "aio/transfer_whole.hpp"
#include "http/session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kWatchReadBytes = 1024;
constexpr std::size_t kDropReadBytes = 64 * 1024;
constexpr std::size_t kHeldBytesMax = 64 * 1024;  // of later requests

}  // namespace

bool Session::is_bodiless(const Response& response) const {
  return method_ == "HEAD" || response.status == 204 || response.status == 304;
}

bool Session::frame(const Response& response, ResponseHead* head) {
  head->body_bytes = response.stream_length.value_or(response.stream ? 0 : response.body.size());
  stream_left_ = head->body_bytes;
  if (response.status == 204 || response.status == 304) {
    head->framing = BodyFraming::none;
  } else if (!response.stream || response.stream_length) {
    head->framing = BodyFraming::length;
  } else if (method_ == "HEAD") {
    head->framing = BodyFraming::until_close;  // nobody knows the length, and nothing is said of it
  } else {
    head->framing = head->is_http_1_1 ? BodyFraming::chunked : BodyFraming::until_close;
  }
  const bool has_stream = response.stream && !is_bodiless(response);
  head->keep_alive &= !(has_stream && head->framing == BodyFraming::until_close);
  return has_stream;
}

Task<bool> Session::answer_stream(Response response, ResponseHead head) {
  const auto self = self_.lock();
  auto stream = std::move(response.stream);
  is_streaming_ = true;
  ++server_->options.traffic->streams;
  bool sent = co_await send(format_head(response, head), {});
  if (sent && !is_ending_) {
    // Whichever ends first cancels the other: the last piece, or the client's departure (or the server's stop).
    auto group = asio::experimental::make_parallel_group(
        asio::co_spawn(server_->executor, pump(self, std::move(stream), head.framing), asio::deferred),
        asio::co_spawn(server_->executor, watch_client(self), asio::deferred));
    const auto ends = co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    const std::exception_ptr pump_failure = std::get<1>(ends);
    if (pump_failure && !is_ending_) is_broken_ = true;
  }
  stream.reset();
  is_streaming_ = false;
  --server_->options.traffic->streams;
  sent = sent && !is_gone_ && !is_broken_;
  if (sent && head.framing == BodyFraming::length) sent = stream_left_ == 0;  // else the connection's end tells
  if (sent && head.framing == BodyFraming::chunked) sent = co_await send(std::string(kLastChunk), {});
  log_answer(response.status, true);
  co_return sent&& head.keep_alive && !server_->is_stopping;
}

Task<void> Session::pump(std::shared_ptr<Session> self, std::shared_ptr<BodyStream> stream, BodyFraming framing) {
  const bool is_chunked = framing == BodyFraming::chunked;
  while (!self->is_ending_) {
    std::optional<std::string> piece;
    std::exception_ptr failure;
    try {
      if (framing == BodyFraming::length) co_await pump_raw(self, stream);
      if (self->is_gone_ || self->is_broken_ || self->is_ending_) co_return;
      piece = co_await stream->next();
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      if (self->is_ending_ || self->is_gone_) co_return;  // it was cancelled, as it should
      self->log_failure("stream failed", failure);
      self->is_broken_ = true;
      co_return;
    }
    if (!piece) co_return;
    std::string head = stream->take_head();
    const std::size_t size = head.size() + piece->size();
    if (size == 0) continue;
    if (framing == BodyFraming::length && !self->count_sent(size)) co_return;
    if (is_chunked) head.insert(0, chunk_prefix(size));
    // A piece half sent could not be followed by a regular end, so the server's stop waits for it. A client that is
    // gone, or too slow, ends it with an error.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const bool sent = co_await self->send_piece(std::move(head), *std::move(piece), is_chunked);
    if (!sent) co_return;
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  }
}

// As send(), and the end of a chunk.
Task<bool> Session::send_piece(std::string head, std::string piece, bool is_chunk) {
  set_deadline(Activity::writing, server_->options.write_timeout);
  const std::string_view tail = is_chunk ? "\r\n" : "";
  const std::array<asio::const_buffer, 3> buffers{asio::buffer(head), asio::buffer(piece), asio::buffer(tail)};
  const auto result =
      co_await asio::async_write(socket_, buffers, aio::TransferWhole(), asio::as_tuple(asio::use_awaitable));
  clear_deadline(Activity::handling);
  if (std::get<0>(result)) is_gone_ = true;
  co_return !is_gone_;
}

bool Session::count_sent(std::size_t bytes) {
  is_broken_ |= bytes > stream_left_;
  if (is_broken_) {
    server_->log.error("stream longer than announced", {{"path", path_}, {"request_id", request_id_}});
    return false;
  }
  stream_left_ -= bytes;
  return true;
}

Task<void> Session::watch_client(std::shared_ptr<Session> self) {
  const bool drops = !self->is_whole();  // the rest of a body that nobody wants
  const std::size_t count = drops ? kDropReadBytes : kWatchReadBytes;
  std::size_t dropped = 0;
  while (self->buffer_.size() < kHeldBytesMax && dropped < kLingerBytesMax) {
    const auto failure = co_await self->receive(count);
    if (failure == asio::error::operation_aborted) co_return;  // the stream is at its end
    if (failure) break;
    if (!drops) continue;
    dropped += self->buffer_.size();
    self->buffer_.consume(self->buffer_.size());
  }
  if (!self->server_->is_stopping) {
    self->abort();
  }
  self->is_ending_ = true;
}

}  // namespace sandboxd::http
