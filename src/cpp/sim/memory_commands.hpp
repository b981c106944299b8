// A node's records of commands in memory; they outlive the node agents that use them.
#pragma once

#include "ports/command_store.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace sandboxd::sim {

class MemoryCommands final : public ports::CommandStore {
 public:
  struct Row {
    ports::StoredCommand stored;
    model::CommandOutput output;
  };
  using Rows = std::vector<Row>;
  explicit MemoryCommands(std::shared_ptr<Rows> rows) : rows_(std::move(rows)) {}

  Task<Result<std::vector<ports::StoredCommand>>> unfinished() override {
    std::vector<ports::StoredCommand> out;
    for (const Row& row : *rows_) {
      if (!row.stored.command.exit_code) out.push_back(row.stored);
    }
    co_return out;
  }
  Task<Result<void>> add(ports::StoredCommand command) override {
    if (find(command.command.sandbox, command.command.id) != rows_->end())
      co_return Error(ErrorCode::already_exists, "it is there");
    rows_->push_back({std::move(command), {}});
    co_return Result<void>();
  }
  Task<Result<void>> finish(model::Command command, model::CommandOutput output) override {
    const auto at = find(command.sandbox, command.id);
    if (at == rows_->end()) co_return Result<void>();
    at->stored.command = std::move(command);
    at->output = std::move(output);
    co_return Result<void>();
  }
  Task<Result<std::vector<model::Command>>> list(SandboxId sandbox) override {
    std::vector<model::Command> out;
    for (const Row& row : *rows_) {
      if (row.stored.command.sandbox == sandbox) out.push_back(row.stored.command);
    }
    co_return out;
  }
  Task<Result<ports::StoredCommand>> get(SandboxId sandbox, std::string id) override {
    const auto at = find(sandbox, id);
    if (at == rows_->end()) co_return Error(ErrorCode::not_found, "no command " + id);
    co_return at->stored;
  }
  Task<Result<model::CommandOutput>> output(SandboxId sandbox, std::string id) override {
    const auto at = find(sandbox, id);
    if (at == rows_->end()) co_return Error(ErrorCode::not_found, "no command " + id);
    co_return at->output;
  }
  Task<Result<void>> erase(SandboxId sandbox, std::string id) override {
    const auto at = find(sandbox, id);
    if (at != rows_->end()) rows_->erase(at);
    co_return Result<void>();
  }
  Task<Result<void>> erase_sandbox(SandboxId sandbox) override {
    std::erase_if(*rows_, [&](const Row& row) { return row.stored.command.sandbox == sandbox; });
    co_return Result<void>();
  }
  Task<Result<std::vector<SandboxId>>> sandboxes() override {
    std::set<SandboxId> out;
    for (const Row& row : *rows_) out.insert(row.stored.command.sandbox);
    co_return std::vector<SandboxId>(out.begin(), out.end());
  }

 private:
  Rows::iterator find(const SandboxId& sandbox, const std::string& id) {
    return std::ranges::find_if(
        *rows_, [&](const Row& row) { return row.stored.command.sandbox == sandbox && row.stored.command.id == id; });
  }
  std::shared_ptr<Rows> rows_;
};

}  // namespace sandboxd::sim
