// The part of a session that passes a body on from another socket without reading it.
#include "http/raw_source.hpp"
#include "http/session.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;

}  // namespace

Task<void> Session::pump_raw(std::shared_ptr<Session> self, std::shared_ptr<BodyStream> stream) {
  auto* source = dynamic_cast<RawSource*>(stream.get());
  if (source == nullptr || source->raw_bytes_left() < kRawBytesMin) co_return;
  const auto pipe = Pipe::open();
  if (!pipe) co_return;
  while (!self->is_ending_ && source->raw_bytes_left() > 0) {
    const auto moved = co_await source->next_into(pipe->write_end(), pipe->room());
    if (!moved) throw ErrorException(moved.error());
    if (!self->count_sent(*moved)) co_return;
    // As in pump(): a piece half sent is sent to its end.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const bool sent = co_await self->send_raw(pipe->read_end(), *moved);
    if (!sent) co_return;
    co_await asio::post(self->server_->executor, asio::use_awaitable);  // the others' turn
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  }
}

Task<bool> Session::send_raw(int pipe, std::size_t count) {
  set_deadline(Activity::writing, server_->options.write_timeout);
  const auto failure = co_await move_out(pipe, &socket_, count);
  clear_deadline(Activity::handling);
  if (failure) is_gone_ = true;
  co_return !is_gone_;
}

// Of the request's body, when what was read of it has been taken.
std::uint64_t Session::raw_bytes_left() const {
  const bool is_raw = body_length_ && body_taken_ > 0 && buffer_.empty() && parser_.fault() == ParseFault::none;
  return is_raw ? *body_length_ - body_taken_ : 0;
}

Task<Result<std::size_t>> Session::read_raw(int pipe, std::size_t room) {
  begin_reading();
  const Moved moved = co_await move_in(&socket_, pipe, std::min<std::uint64_t>(room, raw_bytes_left()));
  SBX_CO_CHECK(check_reading(moved.bytes == 0 && !moved.failure ? asio::error::eof : moved.failure));
  body_taken_ += moved.bytes;
  co_return moved.bytes;
}

}  // namespace sandboxd::http
