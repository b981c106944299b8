// What sandboxes use of their machine, as their control groups say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::model {

struct ContainerUsage {
  std::string name;
  std::int64_t cpu_nanos = 0;           // since its start
  std::int64_t memory_bytes = 0;        // without the page cache that can go at once
  std::int64_t memory_limit_bytes = 0;  // 0: none of its own
  std::int64_t pids = 0;                // on the host: under gVisor the sentry's threads, not the sandbox's processes

  friend bool operator==(const ContainerUsage&, const ContainerUsage&) = default;
};

// All zero for a sandbox that does not run.
struct SandboxUsage {
  std::int64_t cpu_nanos = 0;
  double cpu_percent = 0;  // 100: one core; two decimals
  std::int64_t memory_bytes = 0;
  std::int64_t memory_limit_bytes = 0;  // of its containers together, or the machine's memory where one has none
  double memory_percent = 0;            // of that limit; two decimals
  std::int64_t pids = 0;
  std::vector<ContainerUsage> containers;  // in the order of the sandbox's

  friend bool operator==(const SandboxUsage&, const SandboxUsage&) = default;
};

}  // namespace sandboxd::model
