// Several coroutines at once, all results in their order.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>
#include <vector>

namespace sandboxd::node {

// Waits for all, also when some fail: nothing goes on in the background afterwards. Cancellation of the caller cancels
// each and is rethrown once all have ended.
template <class T>
[[nodiscard]] Task<std::vector<Result<T>>> gather(std::vector<Task<Result<T>>> tasks) {
  namespace asio = boost::asio;
  if (tasks.size() <= 1) {  // nothing to wait for side by side: a call costs far less than coroutines of their own
    std::vector<Result<T>> results;
    for (auto& task : tasks) results.push_back(co_await std::move(task));
    co_return results;
  }
  const auto executor = co_await asio::this_coro::executor;
  using Operation = decltype(asio::co_spawn(executor, std::move(tasks.front()), asio::deferred));
  std::vector<Operation> operations;
  for (auto& task : tasks) operations.push_back(asio::co_spawn(executor, std::move(task), asio::deferred));
  auto group = asio::experimental::make_parallel_group(std::move(operations));
  auto done = co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  for (const std::exception_ptr& failure : std::get<1>(done)) {
    if (failure) std::rethrow_exception(failure);
  }
  co_return std::move(std::get<2>(done));
}

// The first error, if any.
template <class T>
[[nodiscard]] Result<void> all_succeeded(const std::vector<Result<T>>& results) {
  for (const auto& result : results) {
    if (!result) return result.error();
  }
  return {};
}

}  // namespace sandboxd::node
