#include "sim/memory_prober.hpp"

#include <algorithm>

namespace sandboxd::sim {

Task<Result<void>> MemoryProber::probe(ports::ProbeTarget target, Duration timeout) {
  ++probes_;
  // Decided before time passes, so that the order of calls alone matters.
  std::string failure;
  if (!scripted_.empty()) {
    failure = scripted_.front();
    scripted_.pop_front();
  } else if (const auto fixed = fixed_.find({target.ip, target.port}); fixed != fixed_.end() && !fixed->second) {
    failure = "connection refused";
  }
  co_await clock_.sleep_for(std::min(latency_, timeout));
  if (latency_ > timeout) co_return Error(ErrorCode::deadline_exceeded, "timeout");
  if (!failure.empty()) co_return Error(ErrorCode::unavailable, failure);
  co_return Result<void>();
}

}  // namespace sandboxd::sim
