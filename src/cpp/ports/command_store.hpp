// What the node keeps of the commands in its sandboxes. Real: store/sqlite_command_store. Simulated:
// sim/memory_commands.
//
// Survives the node agent's death at any instruction. It may lose the last moments at a power loss: the processes that
// it tells of are gone then, too.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/command.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sandboxd::ports {

struct StoredCommand {
  model::Command command;
  std::string uid;  // the sandbox's life
  std::string key;  // the container that it runs in
};

// How much is kept of one sandbox's finished commands; beyond it the oldest go first.
struct CommandLimits {
  std::size_t commands = 2000;
  std::int64_t output_bytes = 16LL << 20;  // the commands stay when their output goes
};

class CommandStore {
 public:
  virtual ~CommandStore() = default;
  // Those that have not finished, in the order of their start.
  [[nodiscard]] virtual Task<Result<std::vector<StoredCommand>>> unfinished() = 0;
  // A new one. Errors: already_exists, storage_failed.
  [[nodiscard]] virtual Task<Result<void>> add(StoredCommand command) = 0;
  // It ended, with what is kept of its output. Enforces the limits.
  [[nodiscard]] virtual Task<Result<void>> finish(model::Command command, model::CommandOutput output) = 0;
  // Finished and not, by start. Errors: storage_failed.
  [[nodiscard]] virtual Task<Result<std::vector<model::Command>>> list(SandboxId sandbox) = 0;
  // Errors: not_found.
  [[nodiscard]] virtual Task<Result<StoredCommand>> get(SandboxId sandbox, std::string id) = 0;
  [[nodiscard]] virtual Task<Result<model::CommandOutput>> output(SandboxId sandbox, std::string id) = 0;
  // Success also when there is nothing.
  [[nodiscard]] virtual Task<Result<void>> erase(SandboxId sandbox, std::string id) = 0;
  [[nodiscard]] virtual Task<Result<void>> erase_sandbox(SandboxId sandbox) = 0;
  // Sandboxes that have commands.
  [[nodiscard]] virtual Task<Result<std::vector<SandboxId>>> sandboxes() = 0;
};

}  // namespace sandboxd::ports
