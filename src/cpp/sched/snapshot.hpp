// What the scheduler sees and what it answers. Plain values.
#pragma once

#include "base/ids.hpp"
#include "model/spec.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::sched {

struct NodeView {
  NodeId id;
  bool ready = false;
  bool cordoned = false;
  model::Labels labels;
  std::int64_t allocatable_cpu_milli = 0;
  std::int64_t allocatable_memory_bytes = 0;
  std::int64_t free_cpu_milli = 0;  // allocatable minus reserved; may be negative after a node shrank
  std::int64_t free_memory_bytes = 0;
  std::int64_t free_ports = 0;
  std::vector<int> taken_ports;  // sorted; only needed when requests name host ports
};

struct Snapshot {
  std::vector<NodeView> nodes;  // any order
};

struct Request {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
  model::Labels selector;       // every pair must equal a label of the node
  std::vector<int> host_ports;  // one entry a published port; 0: any

  friend auto operator<=>(const Request&, const Request&) = default;
};

enum class Rule { not_ready, cordoned, selector, cpu, memory, ports };
[[nodiscard]] std::string_view to_string(Rule rule);

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

// What a specification asks of its node.
[[nodiscard]] Request request_of(const model::SandboxSpec& spec);

// The lines of `refusals`; "no nodes are registered" when `nodes` is 0, "and N more nodes" when some were left out.
[[nodiscard]] std::vector<std::string> lines_of(const std::vector<Refusal>& refusals, std::size_t nodes);

}  // namespace sandboxd::sched
