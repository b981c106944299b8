// What this machine has, as far as this process may use it: processors of its affinity mask; memory of the machine or
// of its cgroup, whichever is less. Reads /proc and /sys once per call and blocks for microseconds.
#pragma once

#include "base/result.hpp"
#include "ports/host_facts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::proc {

// Errors: internal, when /proc/meminfo cannot be read or understood.
[[nodiscard]] Result<ports::HostFacts> read_host_facts();

// The parsers, for tests. MemTotal of /proc/meminfo in bytes.
[[nodiscard]] std::optional<std::int64_t> parse_mem_total(std::string_view meminfo);
// Paths of this process's cgroup that may carry a memory limit, innermost first, up to the root: memory.max (v2) and
// memory.limit_in_bytes (v1). `cgroup_text` is /proc/self/cgroup.
[[nodiscard]] std::vector<std::string> memory_limit_files(std::string_view cgroup_text);
// A limit file's content; nullopt for "max", for v1's "no limit" number and for nonsense.
[[nodiscard]] std::optional<std::int64_t> parse_memory_limit(std::string_view text);

}  // namespace sandboxd::proc
