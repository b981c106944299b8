// ports::UsageMeter from control groups, version 1 and 2. Files are read on a thread of its own.
#pragma once

#include "aio/blocking_pool.hpp"
#include "ports/usage_meter.hpp"

#include <optional>
#include <string>

namespace sandboxd::containerd {

// What one group says; nothing when there is no such group. `hierarchies`: where they are mounted. Blocks.
[[nodiscard]] Result<std::optional<ports::MeteredUsage>> read_cgroup(const std::string& group,
                                                                     const std::string& hierarchies = "/sys/fs/cgroup");

class CgroupMeter final : public ports::UsageMeter {
 public:
  // `cgroup_parent` as in containerd/containerd_runtime.hpp.
  explicit CgroupMeter(std::string cgroup_parent) : parent_(std::move(cgroup_parent)) {}

  [[nodiscard]] Task<Result<std::map<std::string, ports::MeteredUsage>>> read(std::vector<std::string> keys) override;

 private:
  std::string parent_;
  aio::BlockingPool files_{1};
};

}  // namespace sandboxd::containerd
