#include "guestlink/connection.hpp"

#include "aio/transfer_whole.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <utility>

namespace sandboxd::guestlink {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kReadMin = 4 * 1024;  // while nothing much comes: most agents are silent
constexpr std::size_t kReadMax = 256 * 1024;

}  // namespace

std::shared_ptr<Connection> Connection::make(Socket socket, Events events) {
  return std::shared_ptr<Connection>(new Connection(std::move(socket), std::move(events)));
}

Connection::Connection(Socket socket, Events events)
    : socket_(std::move(socket)),
      events_(std::move(events)),
      link_(socket_.get_executor(),
            {.hello = [this](const agent::Hello& hello) { events_.hello(shared_from_this(), hello); },
             .exited = [this](const agent::Exited& exited) { events_.exited(exited); },
             .wants_to_send = [this] { write(); }}) {}

Task<Error> Connection::run() {
  const auto self = shared_from_this();
  std::string buffer(kReadMin, '\0');
  for (;;) {
    co_await events_.ready_for_more();
    const auto [failure, size] =
        co_await socket_.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (link_.has_ended()) co_return Error(ErrorCode::unavailable, "closed");
    if (failure == asio::error::operation_aborted) throw boost::system::system_error(failure);
    if (failure) co_return Error(ErrorCode::unavailable, "the sandbox's agent is gone: " + failure.message());
    const auto taken = link_.feed(std::string_view(buffer).substr(0, size));
    if (!taken) co_return taken.error();
    if (size == buffer.size() && size < kReadMax) {
      buffer.resize(buffer.size() * 4);
    } else if (size < kReadMin && buffer.size() > kReadMin) {
      buffer = std::string(kReadMin, '\0');
    }
  }
}

void Connection::close(const Error& error) {
  link_.end(error);
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Connection::write() {
  if (is_writing_ || link_.has_ended()) return;
  writing_ = link_.take_output();
  if (writing_.empty()) return;
  is_writing_ = true;
  asio::async_write(socket_, asio::buffer(writing_), aio::TransferWhole(),
                    [self = shared_from_this()](const boost::system::error_code& failure, std::size_t) {
                      self->is_writing_ = false;
                      if (failure) return;  // the reader meets it too, and tells
                      self->link_.output_written();
                      self->write();
                    });
}

}  // namespace sandboxd::guestlink
