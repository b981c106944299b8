// What a node's watch stream says.
#pragma once

#include "base/ids.hpp"
#include "model/node_sandbox.hpp"

#include <string>
#include <variant>

namespace sandboxd::model {

struct NodeSandboxGone {
  SandboxId id;
  std::string uid;

  friend bool operator==(const NodeSandboxGone&, const NodeSandboxGone&) = default;
};

// Every sandbox that the node has was named since the stream began.
struct NodeSnapshotEnd {
  friend bool operator==(const NodeSnapshotEnd&, const NodeSnapshotEnd&) = default;
};

// First a report and every sandbox, then NodeSnapshotEnd, then changes as they happen and a report at least every few
// seconds.
using NodeEvent = std::variant<NodeReport, NodeSandboxStatus, NodeSandboxGone, NodeSnapshotEnd>;

}  // namespace sandboxd::model
