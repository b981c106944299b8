// A piece of work that a cancelled caller waits for instead of interrupting: external effects whose half-way state
// nobody could describe (a container being created, a record being written).
#pragma once

#include "base/task.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace sandboxd::aio {

namespace detail {

template <class T>
Task<T> without_cancellation(Task<T> work) {
  co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  co_return co_await std::move(work);
}

}  // namespace detail

// Runs `work` to its end whatever happens to the caller. The caller gets the result; if it was cancelled meanwhile, its
// next await throws.
template <class T>
[[nodiscard]] Task<T> shield(Task<T> work) {
  const auto executor = co_await boost::asio::this_coro::executor;
  co_return co_await boost::asio::co_spawn(executor, detail::without_cancellation(std::move(work)),
                                           boost::asio::use_awaitable);
}

}  // namespace sandboxd::aio
