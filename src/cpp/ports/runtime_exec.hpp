// Processes that the container runtime starts beside a container's own: for containers without an in-sandbox agent.
// Real: containerd/containerd_runtime. Simulated: sim/memory_exec.
//
// Core thread; every call may be cancelled.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "model/command.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::ports {

struct RuntimeExecRequest {
  std::string key;  // the container's
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  // over the container's
  std::string cwd;                         // empty: the container's; relative: below it
  std::string user;                        // as model::CommandSpec::user
  bool has_stdin = false;
  std::optional<model::TerminalSize> terminal;  // then stdout is all of its output
};

// Destroyed, it is let go of and not ended.
class RuntimeProcess {
 public:
  virtual ~RuntimeProcess() = default;

  // In the container, where the runtime tells it; else of the runtime's own process for it.
  [[nodiscard]] virtual std::uint32_t pid() const = 0;
  // The next bytes, at most `most`; none: its end. One reader for each stream.
  [[nodiscard]] virtual Task<Result<std::string>> read(bool is_stderr, std::size_t most) = 0;
  // Returns when all of it is taken. Errors: conflict when it has closed its stdin.
  [[nodiscard]] virtual Task<Result<void>> write_stdin(std::string bytes) = 0;
  [[nodiscard]] virtual Task<Result<void>> close_stdin() = 0;
  // Until it has exited: its exit code, 128 + signal for a killed one; nothing when the runtime knows no more of it.
  [[nodiscard]] virtual Task<std::optional<int>> wait() = 0;
  // `group`: to its process group, where the runtime can. Errors: not_found (it has exited).
  [[nodiscard]] virtual Task<Result<void>> signal(int number, bool group) = 0;
  [[nodiscard]] virtual Task<Result<void>> resize(model::TerminalSize size) = 0;
  // After its exit: the runtime forgets it, and reading ends.
  [[nodiscard]] virtual Task<void> forget() = 0;
};

class RuntimeExec {
 public:
  virtual ~RuntimeExec() = default;
  // Errors: not_found and permission_denied when the program cannot be run, with the runtime's text; invalid_argument
  // (no such user); conflict (the container does not run); unavailable; runtime_failed.
  [[nodiscard]] virtual Task<Result<std::shared_ptr<RuntimeProcess>>> start_process(RuntimeExecRequest request) = 0;
  // Kills what an earlier run of the node agent started and was not forgotten. Errors: unavailable.
  [[nodiscard]] virtual Task<Result<void>> end_left_processes() = 0;
};

}  // namespace sandboxd::ports
