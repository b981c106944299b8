// Requests that are being answered: whoever sends the answer waits for it, and another request may cancel it. Core
// thread.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "codec/json.hpp"
#include "orch/api/mcp/tools.hpp"
#include "ports/clock.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sandboxd::orch::mcp {

class Call {
 public:
  explicit Call(boost::asio::any_io_executor executor) : executor_(executor), changed_(std::move(executor)) {}

  // Nobody wants the answer any more. What it waits for is left alone: only the waiting ends.
  void cancel();
  [[nodiscard]] bool is_cancelled() const { return is_cancelled_; }
  [[nodiscard]] bool is_done() const { return is_done_; }
  [[nodiscard]] bool is_over() const { return is_done_ || is_cancelled_; }
  void tell(Progress progress) { progress_ = std::move(progress); }
  [[nodiscard]] const std::optional<Progress>& progress() const { return progress_; }
  // Empty when its work failed with an exception.
  [[nodiscard]] const codec::json::object& answer() const { return answer_; }
  // Returns when it is over, at `deadline`, or earlier.
  [[nodiscard]] Task<void> wait_until(ports::Clock& clock, MonoTime deadline);

 private:
  friend class Calls;

  boost::asio::any_io_executor executor_;
  aio::Notifier changed_;
  boost::asio::cancellation_signal signal_;
  codec::json::object answer_;
  std::optional<Progress> progress_;
  bool is_cancelled_ = false;
  bool is_done_ = false;
};

// Owns the coroutines of the calls.
class Calls {
 public:
  explicit Calls(boost::asio::any_io_executor executor) : executor_(executor), group_(std::move(executor)) {}

  [[nodiscard]] std::shared_ptr<Call> make() const { return std::make_shared<Call>(executor_); }
  void start(std::shared_ptr<Call> call, Task<codec::json::object> work);
  // Cancels them all, and returns when none is left.
  [[nodiscard]] Task<void> stop();

 private:
  static Task<void> carry(std::shared_ptr<Call> call, Task<codec::json::object> work);

  boost::asio::any_io_executor executor_;
  aio::TaskGroup group_;
};

}  // namespace sandboxd::orch::mcp
