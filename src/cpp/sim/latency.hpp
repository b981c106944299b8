// The time that a simulated machine takes for something. None at all costs nothing: no timer, no turn of the executor.
#pragma once

#include "base/task.hpp"
#include "base/time.hpp"
#include "ports/clock.hpp"

namespace sandboxd::sim {

// `clock` outlives the call.
[[nodiscard]] inline Task<void> take_time(ports::Clock& clock, Duration latency) {
  if (latency > Duration::zero()) co_await clock.sleep_for(latency);
}

}  // namespace sandboxd::sim
