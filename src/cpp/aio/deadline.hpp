// A time limit on a coroutine, on any clock (the simulated one too).
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "ports/clock.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

namespace sandboxd::aio {

// The result of `work`, or deadline_exceeded "<what>: not done within <limit>". `work` is cancelled then and awaited to
// its end, so it may clean up. Cancellation of the caller cancels `work` and is rethrown.
template <class T>
[[nodiscard]] Task<Result<T>> with_deadline(ports::Clock& clock, Duration limit, Task<Result<T>> work,
                                            std::string what) {
  namespace asio = boost::asio;
  // Shared with those who may stop the work: it may end, and this coroutine with it, inside emit().
  struct Stop {
    asio::cancellation_signal signal;
    bool is_late = false;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const auto stop = std::make_shared<Stop>();
  auto caller = cancellation.slot();
  if (caller.is_connected()) {
    caller.assign([stop](asio::cancellation_type type) {
      const auto kept = stop;
      kept->signal.emit(type);
    });
  }
  const auto alarm = clock.alarm_at(executor, clock.mono_now() + limit, [stop](boost::system::error_code error) {
    stop->is_late = !error;
    stop->signal.emit(asio::cancellation_type::terminal);
  });
  auto done =
      co_await asio::co_spawn(executor, std::move(work),
                              asio::bind_cancellation_slot(stop->signal.slot(), asio::as_tuple(asio::use_awaitable)));
  if (caller.is_connected()) caller.clear();
  if (const std::exception_ptr failure = std::get<0>(done)) {
    if (!stop->is_late) std::rethrow_exception(failure);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
    co_return Error(ErrorCode::deadline_exceeded, what + ": not done within " + std::to_string(ms) + " ms");
  }
  co_return std::move(std::get<1>(done));
}

}  // namespace sandboxd::aio
