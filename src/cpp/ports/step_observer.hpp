// Told of every step of a create and of a delete, as it is reached. In production it does nothing; the crash tests and
// the simulator end the process (or the simulated node) at a chosen step.
#pragma once

#include "base/ids.hpp"

#include <string_view>

namespace sandboxd::ports {

class StepObserver {
 public:
  virtual ~StepObserver() = default;
  // `step` is a constant such as "create.slot_claimed". May not return.
  virtual void reached(std::string_view step, const SandboxId& sandbox) = 0;
};

}  // namespace sandboxd::ports
