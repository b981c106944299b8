// ports::DiskGauge that says what it was told.
#pragma once

#include "ports/disk_gauge.hpp"

#include <optional>

namespace sandboxd::sim {

class MemoryGauge final : public ports::DiskGauge {
 public:
  ports::DiskSpace space{std::int64_t{100} << 30, std::int64_t{60} << 30};
  std::optional<Error> broken;

  [[nodiscard]] Result<ports::DiskSpace> read() override {
    if (broken) return *broken;
    return space;
  }
};

}  // namespace sandboxd::sim
