// The core thread of a role: one io_context, one thread. All state of the role lives on it. As root it comes before
// other threads (nice -10), and what it starts does not.
#pragma once

#include "base/task.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace sandboxd::aio {

class IoRuntime {
 public:
  // `name` is the thread's name as the system shows it (at most 15 characters).
  explicit IoRuntime(std::string name);
  ~IoRuntime();
  IoRuntime(const IoRuntime&) = delete;
  IoRuntime& operator=(const IoRuntime&) = delete;

  [[nodiscard]] boost::asio::io_context& context() { return *context_; }
  void start();
  // Runs `task` on the core thread and blocks until it ends; rethrows its exception. Not from the core thread.
  void run(Task<void> task);
  // Ends the thread once nothing is left to do, at the latest when everything was told to stop. Blocks; idempotent.
  void stop();

 private:
  std::string name_;
  std::unique_ptr<boost::asio::io_context> context_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard_;
  std::thread thread_;
};

}  // namespace sandboxd::aio
