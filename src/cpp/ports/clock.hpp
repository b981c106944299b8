// Where time comes from. Real: aio/system_clock. Simulated: sim/sim_clock, which moves only when told.
#pragma once

#include "base/task.hpp"
#include "base/time.hpp"

namespace sandboxd::ports {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonoTime mono_now() const = 0;
  [[nodiscard]] virtual WallTime wall_now() const = 0;
  // Returns at `deadline` or later; throws operation_aborted (boost::system::system_error) when cancelled.
  [[nodiscard]] virtual Task<void> sleep_until(MonoTime deadline) = 0;

  [[nodiscard]] Task<void> sleep_for(Duration duration) { return sleep_until(mono_now() + duration); }
};

}  // namespace sandboxd::ports
