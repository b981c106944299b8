// How much room the node's data has left. Real: proc/statvfs_gauge. Simulated: sim/memory_gauge.
#pragma once

#include "base/result.hpp"

#include <cstdint>

namespace sandboxd::ports {

struct DiskSpace {
  std::int64_t capacity_bytes = 0;
  std::int64_t free_bytes = 0;  // for this process
};

class DiskGauge {
 public:
  virtual ~DiskGauge() = default;

  // Blocks for microseconds: called on the core thread, with every report. Errors: storage_failed, naming the path.
  [[nodiscard]] virtual Result<DiskSpace> read() = 0;
};

}  // namespace sandboxd::ports
