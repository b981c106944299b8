// Waits until a sandbox answers, as its readiness probe describes (sandboxd-o's rules and words, digest section 6.3).
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/spec.hpp"
#include "ports/clock.hpp"
#include "ports/prober.hpp"

#include <string>

namespace sandboxd::node {

// Success after `success_threshold` good probes in a row. The first probe comes right after the initial delay; the
// period passes only between probes. Errors: deadline_exceeded after `failure_threshold` bad ones in a row.
[[nodiscard]] Task<Result<void>> wait_until_ready(ports::Clock& clock, ports::Prober& prober, SandboxId sandbox,
                                                  std::string ip, model::ReadinessProbe probe);

}  // namespace sandboxd::node
