// The CPU limit of a container, as the kernel is told. Private to this folder.
//
// Written to the control group itself: gVisor's shim does not implement the runtime's update call.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>

namespace sandboxd::containerd {

// The kernel's default: short enough that a throttled process waits a tenth of a second at most.
inline constexpr std::int64_t kCpuPeriodUs = 100000;

// Microseconds of CPU in a period. At least a millisecond, the kernel's minimum.
[[nodiscard]] std::int64_t cpu_quota_us(std::int64_t milli);

// `group` is the control group's path below the hierarchy, such as "/sandboxd-0/sbx-0-...". Knows both versions of
// control groups. Success when there is no such group. Blocks for microseconds.
[[nodiscard]] Result<void> write_cpu_limit(const std::string& group, std::int64_t milli,
                                           const std::string& hierarchies = "/sys/fs/cgroup");

}  // namespace sandboxd::containerd
