// What a sandbox uses. CPU in percent is the difference between two readings: the last one when somebody asked a
// moment ago, else a second one soon after the first. Nothing is read while nobody asks. Core thread only.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "model/usage.hpp"
#include "node/agent_core.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace sandboxd::node {

class UsageReader {
 public:
  explicit UsageReader(AgentCore& core) : core_(core) {}

  // Zeros for a sandbox that does not run. Errors: not_found, unsupported (nothing counts here), and those of
  // ports::UsageMeter.
  [[nodiscard]] Task<Result<model::SandboxUsage>> read(SandboxId id);

 private:
  struct Sample {
    std::string uid;
    MonoTime at;
    std::int64_t cpu_nanos = 0;
    double cpu_percent = 0;  // up to then
  };
  [[nodiscard]] Task<Result<model::SandboxUsage>> measure(EntryPtr entry);
  void forget_old();

  AgentCore& core_;
  std::map<SandboxId, Sample> samples_;
};

// 100: one core; rounded to two decimals.
[[nodiscard]] double cpu_percent(std::int64_t cpu_nanos, Duration time);
[[nodiscard]] double percent_of(std::int64_t part, std::int64_t whole);

}  // namespace sandboxd::node
