#include "proc/kill_at_step.hpp"

#include <charconv>
#include <signal.h>

namespace sandboxd::proc {

Result<KillAtStep> KillAtStep::parse(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view step = text.substr(0, colon);
  std::uint64_t count = 1;
  bool valid = !step.empty();
  if (colon != std::string_view::npos) {
    const std::string_view number = text.substr(colon + 1);
    const auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), count);
    valid = valid && failure == std::errc{} && end == number.data() + number.size() && count > 0;
  }
  if (!valid)
    return Error(ErrorCode::invalid_argument,
                 "\"" + std::string(text) + "\" is not a step: write <step>:<n>, such as create.slot_claimed:3");
  return KillAtStep(std::string(step), count);
}

void KillAtStep::reached(std::string_view step, const SandboxId&) {
  if (step != step_ || remaining_ == 0 || --remaining_ != 0) return;
  ::raise(SIGKILL);
}

}  // namespace sandboxd::proc
