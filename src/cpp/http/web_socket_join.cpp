// Two WebSockets joined into one: what a control plane does between a client and a node.
#include "http/web_socket.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;

struct Goodbye {
  int code = kCloseInternal;
  std::string reason;
};

int code_for(const Error& error) {
  if (error.code() == ErrorCode::too_large) return kCloseTooLarge;
  return error.code() == ErrorCode::protocol_error ? 1002 : kCloseGoingAway;
}

// Ends when `from` does; `goodbye` is what `to` should be told then.
Task<void> carry(std::shared_ptr<WebSocket> from, std::shared_ptr<WebSocket> to, std::shared_ptr<Goodbye> goodbye) {
  while (true) {
    auto message = co_await from->read();
    if (!message) {
      *goodbye = {code_for(message.error()), message.error().message()};
      co_return;
    }
    if (!*message) break;
    const auto written = co_await to->write(**std::move(message));
    if (!written) co_return;
  }
  const auto [code, reason] = from->peer_close();
  // What stands for "no code" and "lost" is not to be sent.
  const bool may_be_sent = code != kCloseNoCode && code != kCloseLost;
  *goodbye = {may_be_sent ? code : kCloseNormal, reason};
}

}  // namespace

Task<void> join_web_sockets(std::shared_ptr<WebSocket> left, std::shared_ptr<WebSocket> right) {
  const auto executor = co_await asio::this_coro::executor;
  const auto for_left = std::make_shared<Goodbye>();
  const auto for_right = std::make_shared<Goodbye>();
  auto group =
      asio::experimental::make_parallel_group(asio::co_spawn(executor, carry(left, right, for_right), asio::deferred),
                                              asio::co_spawn(executor, carry(right, left, for_left), asio::deferred));
  const auto ends = co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const bool right_ended_first = std::get<0>(ends)[0] == 1;
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  const auto& told = right_ended_first ? *for_left : *for_right;
  const auto& remaining = right_ended_first ? left : right;
  co_await remaining->close(told.code, told.reason);
  left->abort();
  right->abort();
}

}  // namespace sandboxd::http
