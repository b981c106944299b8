#include "node/readiness.hpp"

#include "base/config.hpp"

#include <chrono>
#include <cstdint>

namespace sandboxd::node {
namespace {

std::string failure_text(const SandboxId& sandbox, const ports::ProbeTarget& target, std::int64_t times,
                         Duration timeout, const std::string& cause) {
  const char* kind = target.kind == model::ProbeKind::http ? "http" : "tcp";
  return "sandbox " + sandbox.str() + " readiness probe failed: protocol=" + kind + " target=" + target.ip + ":" +
         std::to_string(target.port) + " path=" + target.path + " failed " + std::to_string(times) +
         " times (timeout=" + config_text(timeout) + "): " + cause;
}

}  // namespace

Task<Result<void>> wait_until_ready(ports::Clock& clock, ports::Prober& prober, SandboxId sandbox, std::string ip,
                                    model::ReadinessProbe probe) {
  const ports::ProbeTarget target{probe.kind, ip, probe.port, probe.path};
  const Duration timeout = std::chrono::seconds(probe.timeout_seconds);
  std::int64_t successes = 0;
  std::int64_t failures = 0;
  if (probe.initial_delay_seconds > 0) co_await clock.sleep_for(std::chrono::seconds(probe.initial_delay_seconds));
  for (;;) {
    auto answer = co_await prober.probe(target, timeout);
    successes = answer ? successes + 1 : 0;
    failures = answer ? 0 : failures + 1;
    if (successes >= probe.success_threshold) co_return Result<void>();
    if (failures >= probe.failure_threshold)
      co_return Error(ErrorCode::deadline_exceeded,
                      failure_text(sandbox, target, failures, timeout, answer.error().message()));
    co_await clock.sleep_for(std::chrono::seconds(probe.period_seconds));
  }
}

}  // namespace sandboxd::node
