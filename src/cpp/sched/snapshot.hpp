// What the scheduler sees and what it answers. Plain values.
#pragma once

#include "base/ids.hpp"
#include "model/sandbox.hpp"
#include "sched/policy.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::sched {

// A node and what is left of it. "Free" is allocatable minus reserved, and negative on a node that shrank.
struct NodeView {
  NodeId id;
  bool ready = false;
  bool cordoned = false;
  bool held = false;  // kept for one sandbox that has waited long
  model::Labels labels;
  std::int64_t allocatable_cpu_milli = 0;
  std::int64_t allocatable_memory_bytes = 0;
  std::int64_t allocatable_disk_bytes = 0;  // 0: not known, so not a limit
  std::int64_t free_cpu_milli = 0;
  std::int64_t free_memory_bytes = 0;
  std::int64_t free_disk_bytes = 0;
  std::vector<std::string> images;
  std::vector<std::pair<std::string, std::int64_t>> groups;  // sandboxes of each group that are there, by name
  std::vector<int> taken_ports;                              // as input only
  std::int64_t free_ports = 0;                               // as output only
};

struct Snapshot {
  std::vector<NodeView> nodes;  // any order
};

struct Request {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t disk_bytes = 0;
  model::Labels selector;           // every pair must equal a label of the node
  std::vector<NodeId> nodes;        // it must be one of these; empty: any
  std::vector<int> host_ports;      // one entry a published port; 0: any
  std::vector<std::string> images;  // as the containers name them
  std::string group;                // sandboxes of one group are spread; empty: none

  friend auto operator<=>(const Request&, const Request&) = default;
};

// Why one node was refused.
struct Refusal {
  NodeId node;
  Rule rule = Rule::not_ready;
  std::string text;  // "node n1: not enough cpu: needs 500m, has 200m free"
};

struct Decision {
  NodeId node;  // empty: no node fits
  int score = 0;
  std::vector<Refusal> refusals;  // when no node fits: one per node, by id, up to the limit asked for

  [[nodiscard]] bool placed() const { return !node.empty(); }
};

// What the scheduler thinks of one node for one request.
struct Assessment {
  NodeId node;
  std::optional<Refusal> refusal;            // nothing: it fits
  int score = 0;                             // what follows is for nodes that fit
  std::vector<std::pair<Score, int>> parts;  // points of each score of the policy, in its order
};

// What a sandbox asks of its node. Its group is its template, or its owner when it has none; an annotation may name the
// nodes that it may be on, with '/' between.
inline constexpr const char* kNodesAnnotation = "nodes";
[[nodiscard]] Request request_of(const model::Sandbox& sandbox);
[[nodiscard]] std::string group_of(const model::Sandbox& sandbox);
// Space on disk that its containers and volumes may fill.
[[nodiscard]] std::int64_t disk_bytes_of(const model::SandboxSpec& spec);

// The lines of `refusals`; "no nodes are registered" when `nodes` is 0, "and N more nodes" when some were left out.
[[nodiscard]] std::vector<std::string> lines_of(const std::vector<Refusal>& refusals, std::size_t nodes);

}  // namespace sandboxd::sched
