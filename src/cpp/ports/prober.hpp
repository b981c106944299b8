// One readiness attempt against a sandbox. Real: http/socket_prober. Simulated: sim/memory_prober.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "model/spec.hpp"

#include <string>

namespace sandboxd::ports {

struct ProbeTarget {
  model::ProbeKind kind = model::ProbeKind::tcp;
  std::string ip;
  int port = 0;
  std::string path;
};

class Prober {
 public:
  virtual ~Prober() = default;
  // tcp: a connection is accepted. http: GET answers 200-399, redirects not followed; else the error reads
  // "unexpected status code <n>". Bounded by `timeout`.
  [[nodiscard]] virtual Task<Result<void>> probe(ProbeTarget target, Duration timeout) = 0;
};

}  // namespace sandboxd::ports
