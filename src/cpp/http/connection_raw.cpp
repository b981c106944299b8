// The part of a client connection that hands the rest of an answer over without reading it.
#include "http/connection.hpp"
#include "http/raw_source.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace sandboxd::http {

namespace asio = boost::asio;

std::uint64_t Connection::raw_bytes_left(std::uint64_t taken) {
  const auto length = parser_->content_length();
  const bool is_raw = length && *length > taken && buffer_.empty() && parser_->fault() == ParseFault::none;
  return is_raw ? *length - taken : 0;
}

Task<Result<std::size_t>> Connection::move_into(int pipe, std::size_t room) {
  const Moved moved = co_await move_in(&socket_, pipe, room);
  if (has_timed_out_ || moved.failure) co_return failure(moved.failure);
  if (moved.bytes == 0) {
    co_return Error(ErrorCode::unavailable, peer_ + ": connection closed in the middle of the answer");
  }
  co_return moved.bytes;
}

Task<bool> Connection::upload_raw(std::shared_ptr<Connection> self, std::shared_ptr<Upload> upload,
                                  std::uint64_t* left) {
  auto* source = dynamic_cast<RawSource*>(upload->body.get());
  if (source == nullptr || *left < kRawBytesMin || source->raw_bytes_left() != *left) co_return true;
  const auto pipe = Pipe::open();
  if (!pipe) co_return true;
  while (*left > 0) {
    const auto moved = co_await source->next_into(pipe->write_end(), std::min<std::uint64_t>(pipe->room(), *left));
    if (!moved) {
      self->source_failure_ = moved.error();
      self->close();
      co_return false;
    }
    *left -= *moved;
    self->allow_sending(upload->patience);
    const auto failure = co_await move_out(pipe->read_end(), &self->socket_, *moved);
    self->sending_deadline_ = SteadyTime::max();
    if (failure) co_return false;                                            // whoever reads the answer finds out why
    co_await asio::post(self->socket_.get_executor(), asio::use_awaitable);  // the others' turn
  }
  co_return true;
}

}  // namespace sandboxd::http
