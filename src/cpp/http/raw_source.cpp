#include "http/raw_source.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr unsigned kMove = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
constexpr int kPipeBytes = 1024 * 1024;
constexpr std::size_t kPipeBytesUsual = 64 * 1024;

boost::system::error_code system_failure(int number) { return {number, boost::system::system_category()}; }

}  // namespace

std::optional<Pipe> Pipe::open() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return std::nullopt;
  const int room = ::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
  return Pipe(ends[0], ends[1], room > 0 ? static_cast<std::size_t>(room) : kPipeBytesUsual);
}

Pipe::Pipe(Pipe&& other) noexcept
    : read_(std::exchange(other.read_, -1)), write_(std::exchange(other.write_, -1)), room_(other.room_) {}

Pipe::~Pipe() {
  if (read_ >= 0) ::close(read_);
  if (write_ >= 0) ::close(write_);
}

Task<Moved> move_in(tcp::socket* socket, int pipe, std::size_t room) {
  while (true) {
    const auto moved = ::splice(socket->native_handle(), nullptr, pipe, nullptr, room, kMove);
    if (moved >= 0) co_return Moved{{}, static_cast<std::size_t>(moved)};
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return Moved{system_failure(errno)};
    const auto ready = co_await socket->async_wait(tcp::socket::wait_read, kToken);
    if (std::get<0>(ready)) co_return Moved{std::get<0>(ready)};
    if (!socket->is_open()) co_return Moved{asio::error::operation_aborted};
  }
}

Task<boost::system::error_code> move_out(int pipe, tcp::socket* socket, std::size_t count) {
  boost::system::error_code failure;
  socket->native_non_blocking(true, failure);
  while (count > 0 && !failure) {
    const auto moved = ::splice(pipe, nullptr, socket->native_handle(), nullptr, count, kMove);
    if (moved > 0) {
      count -= static_cast<std::size_t>(moved);
    } else if (moved < 0 && errno == EAGAIN) {
      const auto ready = co_await socket->async_wait(tcp::socket::wait_write, kToken);
      failure = std::get<0>(ready);
      if (!failure && !socket->is_open()) failure = asio::error::operation_aborted;
    } else if (moved == 0 || errno != EINTR) {
      failure = system_failure(moved == 0 ? EPIPE : errno);
    }
  }
  co_return failure;
}

}  // namespace sandboxd::http
