// Runs a coroutine to its end on an io_context of its own, for tests that need no more than that.
#pragma once

#include "base/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace sandboxd::test {

// Runs `context` until `task` ended; rethrows what it threw. Other coroutines on the context may be left suspended.
template <class T>
T run_task(boost::asio::io_context& context, Task<T> task) {
  std::exception_ptr failure;
  std::optional<T> result;
  bool done = false;
  boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr e, T value) {
    failure = e;
    result.emplace(std::move(value));
    done = true;
  });
  context.restart();
  while (!done && context.run_one() != 0) {
  }
  if (failure) std::rethrow_exception(failure);
  if (!done) throw std::runtime_error("the task waits for something that never comes");
  return std::move(*result);
}

inline void run_task(boost::asio::io_context& context, Task<void> task) {
  std::exception_ptr failure;
  bool done = false;
  boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr e) {
    failure = e;
    done = true;
  });
  context.restart();
  while (!done && context.run_one() != 0) {
  }
  if (failure) std::rethrow_exception(failure);
  if (!done) throw std::runtime_error("the task waits for something that never comes");
}

}  // namespace sandboxd::test
