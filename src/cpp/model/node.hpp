// A machine that runs sandboxes, as the control plane keeps it.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "model/spec.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::model {

enum class NodeState { unknown, ready, not_ready };
[[nodiscard]] std::string_view to_string(NodeState state);  // "Unknown", "Ready", "NotReady"
[[nodiscard]] std::optional<NodeState> parse_node_state(std::string_view text);

struct NodeResources {
  std::int64_t capacity_cpu_milli = 0;
  std::int64_t capacity_memory_bytes = 0;
  std::int64_t allocatable_cpu_milli = 0;
  std::int64_t allocatable_memory_bytes = 0;
  std::int64_t used_cpu_milli = 0;
  std::int64_t used_memory_bytes = 0;
  std::int64_t available_cpu_milli = 0;
  std::int64_t available_memory_bytes = 0;
  std::int64_t max_alloc_percent = 0;
  // Of the file system with the node's data; 0: the node does not say (stock nodes do not).
  std::int64_t disk_capacity_bytes = 0;
  std::int64_t disk_free_bytes = 0;
  std::optional<WallTime> updated_at;  // the node's own time stamp

  friend bool operator==(const NodeResources&, const NodeResources&) = default;
};

struct NodeAddress {
  std::string ip;
  int port = 0;

  friend bool operator==(const NodeAddress&, const NodeAddress&) = default;
};

// "http://<ip>:<port>", IPv6 in brackets.
[[nodiscard]] std::string base_url(const NodeAddress& address);

struct Node {
  NodeId id;
  NodeAddress address;
  Labels labels;
  bool unschedulable = false;
  bool removing = false;  // its removal was asked for and is under way: nothing is placed on it
  NodeState state = NodeState::unknown;
  std::string source = "object";
  std::string last_error;
  std::string boot_id;  // of the node agent's process: a new one means it restarted
  std::int64_t success_streak = 0;
  std::int64_t failure_streak = 0;
  NodeResources resources;
  std::vector<std::string> images;  // ready on the node, as sandboxes name them, the latest used first; not stored
  std::string external = "(none)";  // the public endpoint that is bound to the node
  // The External object that binds it. A node has one at most and it has one node, so it is part of the node; an empty
  // id: none.
  std::string external_id;
  std::optional<WallTime> external_created_at;
  std::optional<WallTime> external_updated_at;
  WallTime created_at;
  WallTime updated_at;
  std::optional<WallTime> last_heartbeat;
  std::int64_t revision = 0;

  friend bool operator==(const Node&, const Node&) = default;
};

// What an id of a node or an External may be: 1 to 253 bytes, no control characters and no slash, which no path can
// carry.
[[nodiscard]] bool is_valid_object_id(std::string_view text);

// The sandboxd-o address checks, in its order and words: "invalid ip", "unspecified ip is not allowed", "multicast ip
// is not allowed", "link-local ip is not allowed", "invalid port".
[[nodiscard]] Result<void> validate_address(const NodeAddress& address);

}  // namespace sandboxd::model
