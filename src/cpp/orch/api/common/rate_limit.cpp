#include "orch/api/common/rate_limit.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace sandboxd::orch::common {

void TokenBucket::configure(double per_second, std::int64_t burst) {
  const bool was_off = per_second_ <= 0;
  per_second_ = per_second;
  burst_ = static_cast<double>(burst);
  if (was_off) {
    tokens_ = burst_;
    is_fresh_ = true;
  }
  tokens_ = std::min(tokens_, burst_);
}

bool TokenBucket::take(MonoTime now) {
  if (per_second_ <= 0) return true;
  if (is_fresh_) filled_at_ = now;
  is_fresh_ = false;
  const std::chrono::duration<double> passed = now - filled_at_;
  tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
  filled_at_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

std::int64_t TokenBucket::seconds_to_wait() const {
  constexpr double kSecondsMax = 1e9;  // of a rate next to nothing
  return static_cast<std::int64_t>(std::clamp(std::ceil((1 - tokens_) / per_second_), 1.0, kSecondsMax));
}

}  // namespace sandboxd::orch::common
