// A token bucket: how many requests may pass, over all clients. Pure; time is passed in.
#pragma once

#include "base/time.hpp"

#include <cstdint>

namespace sandboxd::orch::common {

class TokenBucket {
 public:
  // Starts full. `per_second` of 0 and less: everything passes.
  TokenBucket(double per_second, std::int64_t burst) { configure(per_second, burst); }

  // A smaller burst takes tokens away; a larger one gives none.
  void configure(double per_second, std::int64_t burst);
  // Takes one token, if there is one. Never waits. `now` never goes back.
  [[nodiscard]] bool take(MonoTime now);
  // After a refusal: whole seconds until there is a token, at least one.
  [[nodiscard]] std::int64_t seconds_to_wait() const;

 private:
  double per_second_ = 0;
  double burst_ = 0;
  double tokens_ = 0;
  bool is_fresh_ = true;
  MonoTime filled_at_;
};

}  // namespace sandboxd::orch::common
