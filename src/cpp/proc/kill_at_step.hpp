// The crash tests' failpoint: ends this process with SIGKILL when a step is reached for the n-th time, as a power cut
// would. Only composed when the configuration names a step.
#pragma once

#include "base/result.hpp"
#include "ports/step_observer.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sandboxd::proc {

class KillAtStep final : public ports::StepObserver {
 public:
  // `text` is "<step>:<n>", n from 1, such as "create.slot_claimed:3"; without ":<n>" the first time counts.
  // invalid_argument when malformed.
  [[nodiscard]] static Result<KillAtStep> parse(std::string_view text);

  void reached(std::string_view step, const SandboxId& sandbox) override;

  [[nodiscard]] const std::string& step() const { return step_; }
  [[nodiscard]] std::uint64_t remaining() const { return remaining_; }

 private:
  KillAtStep(std::string step, std::uint64_t count) : step_(std::move(step)), remaining_(count) {}

  std::string step_;
  std::uint64_t remaining_;
};

}  // namespace sandboxd::proc
