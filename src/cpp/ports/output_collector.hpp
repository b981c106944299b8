// Takes what containers print, whether or not the node agent runs. Real: logs/log_holder_client (a process of ours in
// its own session). Simulated: sim/memory_output. Contract: tests/cpp/contract/output.
//
// Every method that takes a name refuses one that is no plain path segment with invalid_argument.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::ports {

struct OutputPipes {
  std::string stdout_fifo;
  std::string stderr_fifo;
};

struct ContainerOutput {
  std::string container;
  std::vector<std::string> lines;  // CRI lines without line ends
};

// The logs of a sandbox's containers as they grow. At most one call of next() at a time; must not outlive its
// collector.
class OutputReader {
 public:
  virtual ~OutputReader() = default;
  // The first call returns at once what is there, perhaps nothing; each later one waits for lines that are new and
  // returns them, in order for each container. Nothing: the end, which comes only after finish(). A call that is
  // cancelled loses no line. Errors: too_large (what was there at first), storage_failed; the reader is of no use then.
  [[nodiscard]] virtual Task<Result<std::optional<std::vector<ContainerOutput>>>> next() = 0;
  // Nothing more will be written: next() goes on to the end of what is there and no longer waits.
  virtual void finish() = 0;
};

class OutputCollector {
 public:
  virtual ~OutputCollector() = default;
  // Starts the holder, or finds the one that runs. Errors: unavailable.
  [[nodiscard]] virtual Task<Result<void>> start() = 0;
  // FIFOs for one container, being read from now on. Idempotent: again after a restart of either side.
  [[nodiscard]] virtual Task<Result<OutputPipes>> open(SandboxId sandbox, std::string container) = 0;
  // All that the container wrote before it exited is in the file when this returns. Success also for one that was never
  // opened.
  [[nodiscard]] virtual Task<Result<void>> drain(SandboxId sandbox, std::string container) = 0;
  // Stops reading and deletes FIFOs and log files of the sandbox. Idempotent.
  [[nodiscard]] virtual Task<Result<void>> remove(SandboxId sandbox) = 0;
  // Sandboxes that have FIFOs or files, for finding orphans.
  [[nodiscard]] virtual Task<Result<std::vector<SandboxId>>> list() = 0;
  // The container's log, CRI lines verbatim without line ends. Errors: not_found (also while nothing was printed),
  // too_large, storage_failed.
  [[nodiscard]] virtual Task<Result<std::vector<std::string>>> read(SandboxId sandbox, std::string container) = 0;
  // The same as it grows, without polling. Errors: not_found (no output of the sandbox was ever opened),
  // resource_exhausted.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<OutputReader>>> follow(SandboxId sandbox,
                                                                           std::vector<std::string> containers) = 0;
};

}  // namespace sandboxd::ports
