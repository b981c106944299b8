// A time limit on a coroutine, on any clock (the simulated one too).
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "ports/clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <string>

namespace sandboxd::aio {

// The result of `work`, or deadline_exceeded "<what>: not done within <limit>". `work` is cancelled then and awaited to
// its end, so it may clean up. Cancellation of the caller cancels `work` and is rethrown.
template <class T>
[[nodiscard]] Task<Result<T>> with_deadline(ports::Clock& clock, Duration limit, Task<Result<T>> work,
                                            std::string what) {
  namespace asio = boost::asio;
  const auto executor = co_await asio::this_coro::executor;
  auto group =
      asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(work), asio::deferred),
                                              asio::co_spawn(executor, clock.sleep_for(limit), asio::deferred));
  auto done = co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const auto order = std::get<0>(done);
  const std::exception_ptr work_failure = std::get<1>(done);
  const bool limit_first = order[0] == 1;
  if (work_failure) {
    const std::exception_ptr limit_failure = std::get<3>(done);
    if (limit_first && !limit_failure) {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
      co_return Error(ErrorCode::deadline_exceeded, what + ": not done within " + std::to_string(ms) + " ms");
    }
    std::rethrow_exception(work_failure);
  }
  co_return std::move(std::get<2>(done));
}

}  // namespace sandboxd::aio
