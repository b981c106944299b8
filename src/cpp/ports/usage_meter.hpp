// What containers use, as the machine counts it. Real: containerd/cgroup_meter. Simulated: sim/memory_meter.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::ports {

struct MeteredUsage {
  std::int64_t cpu_nanos = 0;
  std::int64_t memory_bytes = 0;        // without the page cache that can go at once
  std::int64_t memory_limit_bytes = 0;  // 0: none of its own
  std::int64_t pids = 0;

  friend bool operator==(const MeteredUsage&, const MeteredUsage&) = default;
};

class UsageMeter {
 public:
  virtual ~UsageMeter() = default;

  // By the keys of ports::ContainerRequest. What is not there any more is left out. Errors: permission_denied,
  // storage_failed (the kernel's files cannot be read).
  [[nodiscard]] virtual Task<Result<std::map<std::string, MeteredUsage>>> read(std::vector<std::string> keys) = 0;
};

}  // namespace sandboxd::ports
