// ports::DiskGauge of the file system that a path is on.
#pragma once

#include "ports/disk_gauge.hpp"

#include <string>
#include <utility>

namespace sandboxd::proc {

class StatvfsGauge final : public ports::DiskGauge {
 public:
  explicit StatvfsGauge(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] Result<ports::DiskSpace> read() override;

 private:
  std::string path_;
};

}  // namespace sandboxd::proc
