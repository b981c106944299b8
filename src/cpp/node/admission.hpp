// May this request come in? Pure, in memory, with the words of sandboxd-o's node (its digest, section 5.2).
#pragma once

#include "base/result.hpp"
#include "model/node_sandbox.hpp"
#include "node/sandbox_table.hpp"
#include "ports/host_facts.hpp"

#include <cstdint>
#include <string>

namespace sandboxd::node {

struct Capacity {
  ports::HostFacts host;
  std::int64_t max_alloc_percent = 90;
  std::int64_t usable_addresses = 0;
  std::string subnet;
};

[[nodiscard]] std::int64_t allocatable(std::int64_t capacity, std::int64_t percent);

[[nodiscard]] model::NodeResources resources_of(const Capacity& capacity, const Usage& usage, WallTime now);

// Ports held by other sandboxes, quantities, CPU, memory, addresses, in this order. Errors: resource_exhausted,
// invalid_argument.
[[nodiscard]] Result<void> admit(const model::NodeCreateRequest& request, const SandboxTable& table,
                                 const Capacity& capacity);

}  // namespace sandboxd::node
