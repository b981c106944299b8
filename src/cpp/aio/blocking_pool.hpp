// Threads for work that blocks (SQLite, files, libnftables). The caller's coroutine waits; its thread does not.
#pragma once

#include "base/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace sandboxd::aio {

class BlockingPool {
 public:
  // A pool of one thread also serialises its work: that is SQLite's writer lock.
  explicit BlockingPool(std::size_t threads) : pool_(threads) {}
  ~BlockingPool() { stop(); }

  // Runs `work()` on the pool and resumes on the caller's executor. Once started, work is not interrupted: a cancelled
  // caller still waits for it.
  template <class Work>
  [[nodiscard]] Task<std::invoke_result_t<Work&>> run(Work work) {
    co_return co_await boost::asio::co_spawn(pool_, on_pool(std::move(work)), boost::asio::use_awaitable);
  }

  // Finishes what was started, refuses the rest. Blocks.
  void stop() {
    pool_.stop();
    pool_.join();
  }

 private:
  template <class Work>
  static Task<std::invoke_result_t<Work&>> on_pool(Work work) {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    co_return work();
  }

  boost::asio::thread_pool pool_;
};

}  // namespace sandboxd::aio
