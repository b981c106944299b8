// The part of a client connection that hands the rest of an answer over without reading it.
#include "http/connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <fcntl.h>

namespace sandboxd::http {

namespace asio = boost::asio;

std::uint64_t Connection::raw_bytes_left(std::uint64_t taken) {
  const auto length = parser_->content_length();
  const bool is_raw = length && *length > taken && buffer_.empty() && parser_->fault() == ParseFault::none;
  return is_raw ? *length - taken : 0;
}

Task<Result<std::size_t>> Connection::move_into(int pipe, std::size_t room) {
  while (true) {
    const auto moved =
        ::splice(socket_.native_handle(), nullptr, pipe, nullptr, room, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved > 0) co_return static_cast<std::size_t>(moved);
    if (moved == 0) co_return Error(ErrorCode::unavailable, peer_ + ": connection closed in the middle of the answer");
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return failure({errno, boost::system::system_category()});
    const auto ready =
        co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, asio::as_tuple(asio::use_awaitable));
    if (has_timed_out_ || std::get<0>(ready)) co_return failure(std::get<0>(ready));
  }
}

}  // namespace sandboxd::http
