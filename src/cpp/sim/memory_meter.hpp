// Usage of simulated containers: what a test says that they use.
#pragma once

#include "ports/usage_meter.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::sim {

class MemoryMeter final : public ports::UsageMeter {
 public:
  std::map<std::string, ports::MeteredUsage> usage;  // by the key of the container
  std::size_t reads = 0;

  [[nodiscard]] Task<Result<std::map<std::string, ports::MeteredUsage>>> read(std::vector<std::string> keys) override {
    ++reads;
    std::map<std::string, ports::MeteredUsage> out;
    for (const std::string& key : keys) {
      if (const auto found = usage.find(key); found != usage.end()) out.insert(*found);
    }
    co_return out;
  }
};

}  // namespace sandboxd::sim
