// Whether a container that ended is started again, under which name, and after which pause. Pure.
#pragma once

#include "base/time.hpp"
#include "model/spec.hpp"

#include <optional>
#include <string>

namespace sandboxd::node {

// An exit code that nobody saw (the host was rebooted, the shim died) counts as a failure.
[[nodiscard]] bool is_restarted(model::RestartPolicy policy, std::optional<int> exit_code);

// The runtime id of a container's next life: "sbx-0-5d1f-0", "sbx-0-5d1f-0r1", "sbx-0-5d1f-0r2". A life has a name of
// its own so that what is told of one, however late, is never taken for news of the next.
[[nodiscard]] std::string next_life(const std::string& key);

// 100 ms, doubling to 30 s; from the start again after a life of ten minutes.
class BackOff {
 public:
  void started(MonoTime now) { started_ = now; }
  // The pause before the start that follows an end at `now`.
  [[nodiscard]] Duration next(MonoTime now);

 private:
  MonoTime started_;
  Duration pause_ = Duration::zero();
};

}  // namespace sandboxd::node
