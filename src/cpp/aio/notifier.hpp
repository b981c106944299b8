// Wakes coroutines when something changed. One thread; wakes are edge-triggered, so waiters re-check their condition in
// a loop: `while (!ready) co_await changed.wait();`. Nothing is lost between the check and the wait, because neither
// suspends.
#pragma once

#include "base/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>

namespace sandboxd::aio {

class Notifier {
 public:
  explicit Notifier(boost::asio::any_io_executor executor);

  // Wakes everybody who waits now.
  void notify();
  // Until the next notify(). Throws operation_aborted when cancelled.
  [[nodiscard]] Task<void> wait();

 private:
  // A timer that never expires; its cancellation is the wake. Shared, so that a waiter may outlive the notifier.
  struct State {
    explicit State(const boost::asio::any_io_executor& executor)
        : timer(executor, boost::asio::steady_timer::time_point::max()) {}
    boost::asio::steady_timer timer;
    std::uint64_t generation = 0;
  };
  std::shared_ptr<State> state_;
};

}  // namespace sandboxd::aio
