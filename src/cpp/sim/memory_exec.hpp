// Processes beside a container's own in memory, which do what a test says.
#pragma once

#include "aio/notifier.hpp"
#include "ports/runtime_exec.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::sim {

struct MemoryProcess {
  explicit MemoryProcess(const boost::asio::any_io_executor& executor) : changed(executor) {}
  // What the test says.
  void print(std::string_view bytes, bool is_stderr = false) {
    unread[is_stderr] += bytes;
    changed.notify();
  }
  void end(std::optional<int> code, bool closes_streams = true) {
    has_exited = true;
    exit_code = code;
    are_streams_closed = closes_streams;
    changed.notify();
  }

  ports::RuntimeExecRequest request;
  std::string unread[2];
  std::string stdin_bytes;
  bool is_stdin_closed = false;
  bool has_exited = false;
  bool are_streams_closed = false;
  bool is_forgotten = false;
  std::optional<int> exit_code;
  std::vector<std::pair<int, bool>> signals;  // and whether to the group
  bool dies_of_signals = true;
  model::TerminalSize size;
  aio::Notifier changed;
};

class MemoryExec final : public ports::RuntimeExec {
 public:
  explicit MemoryExec(boost::asio::any_io_executor executor) : executor_(executor) {}

  Task<Result<std::shared_ptr<ports::RuntimeProcess>>> start_process(ports::RuntimeExecRequest request) override {
    if (refusal) co_return *refusal;
    auto process = std::make_shared<MemoryProcess>(executor_);
    process->request = std::move(request);
    processes.push_back(process);
    co_return std::make_shared<Handle>(std::move(process));
  }
  Task<Result<void>> end_left_processes() override {
    ++ended_left;
    co_return Result<void>();
  }

  std::optional<Error> refusal;
  std::vector<std::shared_ptr<MemoryProcess>> processes;
  int ended_left = 0;

 private:
  class Handle final : public ports::RuntimeProcess {
   public:
    explicit Handle(std::shared_ptr<MemoryProcess> process) : process_(std::move(process)) {}
    [[nodiscard]] std::uint32_t pid() const override { return 7; }
    Task<Result<std::string>> read(bool is_stderr, std::size_t most) override {
      std::string& from = process_->unread[is_stderr];
      while (from.empty() && !process_->are_streams_closed && !process_->is_forgotten)
        co_await process_->changed.wait();
      std::string bytes = from.substr(0, most);
      from.erase(0, bytes.size());
      co_return bytes;
    }
    Task<Result<void>> write_stdin(std::string bytes) override {
      process_->stdin_bytes += bytes;
      co_return Result<void>();
    }
    Task<Result<void>> close_stdin() override {
      process_->is_stdin_closed = true;
      co_return Result<void>();
    }
    Task<std::optional<int>> wait() override {
      while (!process_->has_exited) co_await process_->changed.wait();
      co_return process_->exit_code;
    }
    Task<Result<void>> signal(int number, bool group) override {
      process_->signals.emplace_back(number, group);
      if (process_->dies_of_signals) process_->end(128 + number);
      co_return Result<void>();
    }
    Task<Result<void>> resize(model::TerminalSize size) override {
      process_->size = size;
      co_return Result<void>();
    }
    Task<void> forget() override {
      process_->is_forgotten = true;
      process_->changed.notify();
      co_return;
    }

   private:
    std::shared_ptr<MemoryProcess> process_;
  };

  boost::asio::any_io_executor executor_;
};

}  // namespace sandboxd::sim
