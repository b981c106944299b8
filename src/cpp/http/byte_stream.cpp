#include "http/byte_stream.hpp"

#include "http/when_over.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kTunnelReadBytes = 64 * 1024;

Error stream_error(const boost::system::error_code& error) {
  // A closed socket says "aborted" too; then there is nobody to cancel.
  if (error == asio::error::operation_aborted) return {ErrorCode::unavailable, "the stream was closed"};
  return {ErrorCode::unavailable, "the stream broke: " + error.message()};
}

// One direction of a tunnel.
struct Flow {
  std::shared_ptr<ByteStream> from;
  std::shared_ptr<ByteStream> to;
  std::shared_ptr<SteadyClock::time_point> moved;  // when bytes moved last, in either direction
  std::shared_ptr<std::uint64_t> bytes;
};

// False when it broke.
Task<bool> carry(Flow flow) {
  while (true) {
    const auto piece = co_await flow.from->read(kTunnelReadBytes);
    if (!piece) co_return false;
    if (piece->empty()) break;
    const std::size_t count = piece->size();
    const auto written = co_await flow.to->write(*piece);
    if (!written) co_return false;
    *flow.bytes += count;
    *flow.moved = SteadyClock::now();
  }
  flow.to->shut_down_sending();
  co_return true;
}

Task<bool> watch_silence(std::shared_ptr<SteadyClock::time_point> moved, Duration silence) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, SteadyClock::time_point::max());
  const auto limit = std::chrono::duration_cast<SteadyClock::duration>(silence);
  while (silence == Duration::zero() || SteadyClock::now() - *moved < limit) {
    if (silence != Duration::zero()) timer.expires_at(*moved + limit);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return false;
}

}  // namespace

Task<Result<std::string>> ByteStream::read(std::size_t limit) {
  std::string bytes(limit, '\0');
  const auto result = co_await socket_.async_read_some(asio::buffer(bytes), kToken);
  const auto error = std::get<0>(result);
  if (error == asio::error::eof) co_return std::string();
  if (error == asio::error::operation_aborted && socket_.socket().is_open()) throw boost::system::system_error(error);
  if (error) co_return stream_error(error);
  bytes.resize(std::get<1>(result));
  co_return bytes;
}

Task<Result<void>> ByteStream::write(std::string bytes) {
  const auto result = co_await asio::async_write(socket_, asio::buffer(bytes), kToken);
  const auto error = std::get<0>(result);
  if (error == asio::error::operation_aborted && socket_.socket().is_open()) throw boost::system::system_error(error);
  if (error) co_return stream_error(error);
  co_return Result<void>();
}

void ByteStream::shut_down_sending() {
  boost::system::error_code ignored;
  socket_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
}

void ByteStream::close() {
  boost::system::error_code ignored;
  socket_.socket().close(ignored);
}

Task<Tunnelled> tunnel(std::shared_ptr<ByteStream> left, std::shared_ptr<ByteStream> right, Duration silence) {
  const auto executor = co_await asio::this_coro::executor;
  const auto moved = std::make_shared<SteadyClock::time_point>(SteadyClock::now());
  Flow there{left, right, moved, std::make_shared<std::uint64_t>(0)};
  Flow back{right, left, moved, std::make_shared<std::uint64_t>(0)};
  auto group = asio::experimental::make_parallel_group(
      asio::co_spawn(executor, carry(there), asio::deferred), asio::co_spawn(executor, carry(back), asio::deferred),
      asio::co_spawn(executor, watch_silence(moved, silence), asio::deferred));
  const WhenOver when_over;
  co_await group.async_wait(when_over, asio::use_awaitable);
  left->close();
  right->close();
  co_return Tunnelled{*there.bytes, *back.bytes};
}

}  // namespace sandboxd::http
