// May this request come in? Pure, in memory, with the words of sandboxd-o's node (its digest, section 5.2).
#pragma once

#include "base/result.hpp"
#include "model/node_sandbox.hpp"
#include "node/sandbox_table.hpp"
#include "ports/disk_gauge.hpp"
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

// The disk is shared out as it is used, not reserved; but what is asked for must be free now, so that the last room is
// left to what runs already. A container that asks for nothing counts with `default_bytes`. Errors: resource_exhausted.
[[nodiscard]] Result<void> admit_storage(const model::SandboxSpec& spec, std::int64_t default_bytes,
                                         const ports::DiskSpace& disk);

}  // namespace sandboxd::node
