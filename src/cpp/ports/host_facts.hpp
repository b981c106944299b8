// What the machine has. Real: proc/host_facts. Simulated: a value.
#pragma once

#include <cstdint>

namespace sandboxd::ports {

struct HostFacts {
  std::int64_t cpu_count = 0;     // that this process may run on
  std::int64_t memory_bytes = 0;  // total
};

}  // namespace sandboxd::ports
