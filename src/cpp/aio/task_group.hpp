// Owns coroutines: every coroutine that is not awaited belongs to a group, and a group is joined before what its
// coroutines refer to goes away. One thread.
//
// An exception that leaves a coroutine is our bug: it is logged as an error, and the others go on. Cancellation
// (operation_aborted) ends a coroutine silently.
#pragma once

#include "base/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <memory>
#include <string_view>

namespace sandboxd::aio {

class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor);
  // The group must be empty, or its executor must never run again.
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts `task` at the executor's next turn. `name` (a constant) stands in the log when it fails.
  void spawn(std::string_view name, Task<void> task);
  // Asks every coroutine to end (terminal cancellation). Later spawns start cancelled.
  void cancel();
  // Returns when the group is empty. Does not cancel.
  [[nodiscard]] Task<void> join();
  [[nodiscard]] std::size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// For undo paths: `co_await ignore_cancellation();` and the coroutine's later awaits are not cancelled any more. Not a
// coroutine itself, because awaiting one in a cancelled coroutine throws before it starts.
[[nodiscard]] inline auto ignore_cancellation() {
  return boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
}

}  // namespace sandboxd::aio
