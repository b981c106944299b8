#include "aio/system_clock.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace sandboxd::aio {

MonoTime SystemClock::mono_now() const {
  return {std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()).count()};
}

WallTime SystemClock::wall_now() const {
  return {std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count()};
}

Task<void> SystemClock::sleep_until(MonoTime deadline) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, std::chrono::steady_clock::time_point(Duration(deadline.ns)));
  co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace sandboxd::aio
