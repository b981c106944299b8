// Counts durations in fixed buckets, for metrics. A value: copied to be looked at.
#pragma once

#include "base/time.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace sandboxd {

class Histogram {
 public:
  // Upper bounds, inclusive; what is longer than the last has a bucket of its own.
  static constexpr std::array<Duration, 14> kBounds{
      std::chrono::microseconds(100), std::chrono::microseconds(250),  std::chrono::microseconds(500),
      std::chrono::milliseconds(1),   std::chrono::microseconds(2500), std::chrono::milliseconds(5),
      std::chrono::milliseconds(10),  std::chrono::milliseconds(25),   std::chrono::milliseconds(50),
      std::chrono::milliseconds(100), std::chrono::milliseconds(250),  std::chrono::seconds(1),
      std::chrono::seconds(5),        std::chrono::seconds(30)};

  void add(Duration value) {
    const auto at = std::ranges::lower_bound(kBounds, value) - kBounds.begin();
    ++counts_[static_cast<std::size_t>(at)];
    ++count_;
    sum_ += value;
  }
  // Of one bucket alone; the last one is kBounds.size().
  [[nodiscard]] std::uint64_t bucket(std::size_t index) const { return counts_[index]; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] Duration sum() const { return sum_; }

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};
  std::uint64_t count_ = 0;
  Duration sum_{};
};

}  // namespace sandboxd
