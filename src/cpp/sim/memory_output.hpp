// ports::OutputCollector without processes or files, for tests and the simulator.
//
// MemoryOutputMachine is what outlives a node agent: which sandboxes have pipes, and their logs. A failure is planned
// with fail(). One thread.
#pragma once

#include "aio/notifier.hpp"
#include "ports/output_collector.hpp"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::sim {

class MemoryOutputMachine {
 public:
  using Key = std::pair<SandboxId, std::string>;  // sandbox, container

  std::map<Key, std::vector<std::string>> logs;  // lines; an entry exists while pipes or files do

  std::vector<std::weak_ptr<aio::Notifier>> followers;  // woken by every line

  // What a container would print, as one complete CRI line.
  void print(const SandboxId& sandbox, const std::string& container, std::string line);
};

class MemoryOutput final : public ports::OutputCollector {
 public:
  explicit MemoryOutput(std::shared_ptr<MemoryOutputMachine> machine);

  // The `nth` call (from 1, counted from now) of `method` ("open", "remove", ...) fails with `error`.
  void fail(const std::string& method, int nth, Error error);

  [[nodiscard]] Task<Result<void>> start() override;
  [[nodiscard]] Task<Result<ports::OutputPipes>> open(SandboxId sandbox, std::string container) override;
  [[nodiscard]] Task<Result<void>> drain(SandboxId sandbox, std::string container) override;
  [[nodiscard]] Task<Result<void>> remove(SandboxId sandbox) override;
  [[nodiscard]] Task<Result<std::vector<SandboxId>>> list() override;
  [[nodiscard]] Task<Result<std::vector<std::string>>> read(SandboxId sandbox, std::string container) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::OutputReader>>> follow(SandboxId sandbox,
                                                                          std::vector<std::string> containers) override;

 private:
  Result<void> planned_failure(const std::string& method);

  std::shared_ptr<MemoryOutputMachine> machine_;
  std::map<std::string, std::vector<std::pair<int, Error>>> failures_;  // by method: calls still to come, error
};

}  // namespace sandboxd::sim
