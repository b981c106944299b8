#include "aio/system_clock.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <utility>

namespace sandboxd::aio {
namespace {

std::chrono::steady_clock::time_point time_point(MonoTime time) {
  return std::chrono::steady_clock::time_point(Duration(time.ns));
}

class TimerAlarm final : public ports::Alarm {
 public:
  TimerAlarm(const boost::asio::any_io_executor& executor, MonoTime deadline, Ring ring)
      : state_(std::make_shared<State>(boost::asio::steady_timer(executor, time_point(deadline)), std::move(ring))) {
    state_->timer.async_wait([state = state_](boost::system::error_code error) {
      // Empty when it was taken back after the timer had expired.
      const Ring due = std::exchange(state->ring, nullptr);
      if (!error && due) due({});
    });
  }
  ~TimerAlarm() override {
    state_->ring = nullptr;
    state_->timer.cancel();
  }

 private:
  struct State {
    boost::asio::steady_timer timer;
    Ring ring;
  };
  std::shared_ptr<State> state_;
};

}  // namespace

MonoTime SystemClock::mono_now() const {
  return {std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()).count()};
}

WallTime SystemClock::wall_now() const {
  return {std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count()};
}

Task<void> SystemClock::sleep_until(MonoTime deadline) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, time_point(deadline));
  co_await timer.async_wait(boost::asio::use_awaitable);
}

std::unique_ptr<ports::Alarm> SystemClock::alarm_at(const boost::asio::any_io_executor& executor, MonoTime deadline,
                                                    ports::Alarm::Ring ring) {
  return std::make_unique<TimerAlarm>(executor, deadline, std::move(ring));
}

}  // namespace sandboxd::aio
