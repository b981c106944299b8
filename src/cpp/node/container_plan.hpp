// What is created for a sandbox, derived from its request alone. Pure.
//
// Every name is fixed here, at acceptance, from the instance and the uid: whatever a crash leaves behind can be
// attributed to its sandbox by name.
#pragma once

#include "model/node_sandbox.hpp"
#include "node/config.hpp"
#include "ports/sandbox_files.hpp"
#include "ports/sandbox_network.hpp"
#include "ports/sandbox_runtime.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::node {

// "sbx-<instance>-<16 hex digits>-": the digits are the uid's first ones, or a hash of a uid of another form.
[[nodiscard]] std::string key_prefix(const std::string& instance, const std::string& uid);

// "20260102-150405", for the ids that a node draws.
[[nodiscard]] std::string compact_time(WallTime now);

// The runtime that it has.
[[nodiscard]] std::string handler_of(const NodeConfig& config, const model::NodeSandbox& sandbox);

// The record of an accepted request: phase creating, keys set, no slot yet.
[[nodiscard]] model::NodeSandbox plan_sandbox(const NodeConfig& config, model::NodeCreateRequest request, WallTime now);

// Prepared parts that all containers of a sandbox use.
struct PlanParts {
  ports::NetworkSlot slot;
  ports::SandboxFilesReady files;
};

// The pause container of a sandbox with several containers: its limits are the sums.
[[nodiscard]] ports::ContainerRequest plan_root(const NodeConfig& config, const model::NodeSandbox& sandbox,
                                                const PlanParts& parts);
// The container at `index`. Its /tmp is a tmpfs with the configured share of the ephemeral storage, unless it mounts
// something there itself; its root file system has the rest. The volumes that its image declares have as much as the
// whole of it again, together: an image's declaration must not eat the share that the request gave to the others.
[[nodiscard]] ports::ContainerRequest plan_container(const NodeConfig& config, const model::NodeSandbox& sandbox,
                                                     std::size_t index, const PlanParts& parts, ports::ImageInfo image);

// The containers that start with more CPU than they may use later (NodeConfig::start_cpu_milli), each with its limit
// for later, in millicores. In a gVisor pod that is the root, whose limit is everybody's.
struct RaisedCpu {
  std::string key;
  std::int64_t limit_milli = 0;
};
[[nodiscard]] std::vector<RaisedCpu> raised_cpu(const NodeConfig& config, const model::NodeSandbox& sandbox);

// How a container's ephemeral storage divides into root filesystem and /tmp (sandboxd-o: a percentage, and from 48 MiB
// on at least 32 MiB and 16 MiB).
struct StorageSplit {
  std::int64_t root_bytes = 0;
  std::int64_t tmp_bytes = 0;
  friend bool operator==(const StorageSplit&, const StorageSplit&) = default;
};
[[nodiscard]] StorageSplit split_storage(std::int64_t total_bytes, std::int64_t root_percent);

}  // namespace sandboxd::node
