// What every OutputCollector must do, whatever is behind it. An adapter takes part by instantiating OutputContract with
// a factory of its harness.
#pragma once

#include "base/task.hpp"
#include "ports/output_collector.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::test {

class OutputHarness {
 public:
  virtual ~OutputHarness() = default;
  // Started.
  [[nodiscard]] virtual ports::OutputCollector& output() = 0;
  // The node agent dies; containers and what takes their output go on. Until the next agent starts, output() must not
  // be called; it is another object then.
  virtual void end_agent() = 0;
  virtual void start_agent() = 0;
  // Runs a task to its end.
  virtual void run(std::function<Task<void>()> work) = 0;
  // The container prints one line on its standard output, or error output. `pipes` are those that open() gave it.
  virtual void print(const SandboxId& sandbox, const std::string& container, const ports::OutputPipes& pipes,
                     const std::string& line, bool to_stderr) = 0;
};

using OutputFactory = std::function<std::unique_ptr<OutputHarness>()>;

// One container's pipes, and what it prints.
class OpenedOutput {
 public:
  OpenedOutput(OutputHarness& harness, SandboxId sandbox, std::string container, ports::OutputPipes pipes)
      : harness_(harness), sandbox_(std::move(sandbox)), container_(std::move(container)), pipes_(std::move(pipes)) {}
  void say(const std::string& line) { harness_.print(sandbox_, container_, pipes_, line, false); }
  void complain(const std::string& line) { harness_.print(sandbox_, container_, pipes_, line, true); }
  [[nodiscard]] const ports::OutputPipes& pipes() const { return pipes_; }

 private:
  OutputHarness& harness_;
  SandboxId sandbox_;
  std::string container_;
  ports::OutputPipes pipes_;
};

class OutputContract : public ::testing::TestWithParam<OutputFactory> {
 protected:
  OutputContract() : harness(GetParam()()) {}

  template <class T>
  T call(Task<T> task) {
    std::optional<T> result;
    harness->run([&]() -> Task<void> { return keep(std::move(task), result); });
    return std::move(*result);
  }
  ports::OutputCollector& output() { return harness->output(); }
  OpenedOutput open(const SandboxId& sandbox, const std::string& container) {
    return {*harness, sandbox, container, call(output().open(sandbox, container)).value()};
  }
  // The log once all that was printed is in it.
  std::vector<std::string> drained(const SandboxId& sandbox, const std::string& container) {
    const auto done = call(output().drain(sandbox, container));
    if (!done) ADD_FAILURE() << done.error().message();
    return call(output().read(sandbox, container)).value();
  }
  ErrorCode read_error(const SandboxId& sandbox, const std::string& container) {
    const auto lines = call(output().read(sandbox, container));
    EXPECT_FALSE(lines);
    return lines ? ErrorCode::internal : lines.error().code();
  }
  std::unique_ptr<ports::OutputReader> follow(const SandboxId& sandbox, const std::vector<std::string>& containers) {
    return call(output().follow(sandbox, containers)).value();
  }
  // "<container>: <line>" for everything that the next call gives.
  std::vector<std::string> next(ports::OutputReader& reader) {
    std::vector<std::string> all;
    const auto outputs = call(reader.next()).value().value();
    for (const auto& output : outputs) {
      for (const std::string& line : output.lines) all.push_back(output.container + ": " + line);
    }
    return all;
  }

  std::unique_ptr<OutputHarness> harness;

 private:
  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>& result) {
    auto value = co_await std::move(task);
    result.emplace(std::move(value));
  }
};

}  // namespace sandboxd::test
