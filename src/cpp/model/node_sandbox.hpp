// A sandbox as its node keeps it: the durable record of a create's progress, and what the node reports upwards.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"
#include "model/node.hpp"
#include "model/sandbox.hpp"
#include "model/spec.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::model {

// What the control plane (or a direct caller) asks of a node.
struct NodeCreateRequest {
  SandboxId id;
  std::string uid;  // empty from a stock orchestrator: the node draws one
  SandboxSpec spec;
  std::vector<PublishedPort> ports;

  friend bool operator==(const NodeCreateRequest&, const NodeCreateRequest&) = default;
};

// One container of a sandbox on its node. `key` is its id in the runtime and is fixed before anything is created, so
// that whatever a crash leaves behind can be found by it.
struct NodeContainer {
  std::string name;
  std::string key;
  ContainerPhase phase = ContainerPhase::creating;
  std::string image;         // as given; the normalised reference once started
  std::string image_digest;  // of what was started, whatever the reference stands for later
  std::string error;
  std::string task_status;
  std::uint32_t pid = 0;  // of the container's init as the host sees it; 0 until known
  std::optional<int> exit_code;
  std::int64_t restarts = 0;  // by the restart policy

  friend bool operator==(const NodeContainer&, const NodeContainer&) = default;
};

// Phases a node uses: creating, running, stopped, failed, deleting and those of pausing and stopping.
struct NodeSandbox {
  SandboxId id;
  std::string uid;
  SandboxSpec spec;
  std::vector<PublishedPort> ports;
  Desired desired = Desired::running;  // running, paused or stopped; `deleted` is phase deleting
  std::int64_t order = 0;              // of the control plane's latest wish that came here; 0: none yet
  bool own_wish = false;               // a wish that was asked of the node itself came after that one
  Phase phase = Phase::creating;
  std::string error;
  std::string slot;  // the network slot that it owns; empty: none yet
  std::string ip;
  std::string pod_key;                    // runtime id of the pause container; empty for a single container
  std::vector<NodeContainer> containers;  // in the order of spec.containers
  WallTime created_at;
  WallTime updated_at;
  std::optional<WallTime> started_at;  // of the life that runs, or ran last
  std::optional<WallTime> ended_at;    // of that life, once it is over

  friend bool operator==(const NodeSandbox&, const NodeSandbox&) = default;
};

// What a status batch and the watch stream say about one sandbox.
struct NodeSandboxStatus {
  SandboxId id;
  std::string uid;  // empty from a stock node
  Phase phase = Phase::creating;
  std::string ip;
  std::string error;
  std::optional<Desired>
      desired;             // what the latest wish that the node has acknowledged wants; a stock node does not say
  std::int64_t order = 0;  // as NodeSandbox
  bool own_wish = false;
  std::vector<ContainerStatus> containers;  // ours: all; a stock node: the unhealthy ones
  std::optional<WallTime> started_at;       // of the life that runs, or ran last; a stock node does not say
  std::optional<WallTime> ended_at;

  friend bool operator==(const NodeSandboxStatus&, const NodeSandboxStatus&) = default;
};

[[nodiscard]] NodeSandboxStatus status_of(const NodeSandbox& sandbox);

struct NodeReport {
  std::string boot_id;  // new at every start of the node agent
  NodeResources resources;
  std::optional<std::vector<std::string>> images = std::nullopt;  // as Node::images; nothing: as last said

  friend bool operator==(const NodeReport&, const NodeReport&) = default;
};

// The node API's names: creating, running, stopped, error, deleting, paused.
[[nodiscard]] std::string_view to_node_text(Phase phase);
// Case-insensitive; nullopt for words that no node uses.
[[nodiscard]] std::optional<Phase> parse_node_phase(std::string_view text);

}  // namespace sandboxd::model
