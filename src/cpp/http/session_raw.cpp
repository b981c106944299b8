// The part of a session that passes a body on from another socket without reading it.
#include "http/raw_source.hpp"
#include "http/session.hpp"

#include <boost/asio/post.hpp>

#include <cerrno>
#include <fcntl.h>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;

constexpr std::uint64_t kRawBytesMin = 256 * 1024;  // below, a pipe costs more than the copies

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
  boost::system::error_code failure;
  socket_.native_non_blocking(true, failure);
  while (count > 0 && !failure && !is_gone_) {
    const auto moved =
        ::splice(pipe, nullptr, socket_.native_handle(), nullptr, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved > 0) {
      count -= static_cast<std::size_t>(moved);
    } else if (moved < 0 && errno == EAGAIN) {
      const auto ready =
          co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, asio::as_tuple(asio::use_awaitable));
      failure = std::get<0>(ready);
    } else if (moved == 0 || errno != EINTR) {
      failure = boost::system::error_code(moved == 0 ? EPIPE : errno, boost::system::system_category());
    }
  }
  clear_deadline(Activity::handling);
  if (failure) is_gone_ = true;
  co_return !is_gone_;
}

}  // namespace sandboxd::http
