// Hard rules: what makes a node impossible for a request. Each is one function; all must pass.
#pragma once

#include "sched/row.hpp"
#include "sched/snapshot.hpp"

#include <optional>
#include <span>
#include <vector>

namespace sandboxd::sched {

inline bool is_ready(const Row& node, const Ask&) { return node.ready; }
inline bool is_open(const Row& node, const Ask&) { return !node.cordoned; }
inline bool is_not_held(const Row& node, const Ask&) { return !node.held; }

inline bool matches_selector(const Row& node, const Ask& ask) {
  if (ask.is_limited && std::find(ask.slots.begin(), ask.slots.end(), node.slot) == ask.slots.end()) return false;
  if ((node.label_bits & ask.label_bits) != ask.label_bits) return false;
  return std::all_of(ask.labels.begin(), ask.labels.end(), [&](std::uint32_t wanted) {
    return std::find(node.labels.begin(), node.labels.end(), wanted) != node.labels.end();
  });
}

inline bool has_cpu(const Row& node, const Ask& ask) { return node.free_cpu_milli >= ask.cpu_milli; }
inline bool has_memory(const Row& node, const Ask& ask) { return node.free_memory_bytes >= ask.memory_bytes; }

inline bool has_disk(const Row& node, const Ask& ask) {
  return ask.disk_bytes <= 0 || node.free_disk_bytes >= ask.disk_bytes;
}

inline bool has_ports(const Row& node, const Ask& ask) {
  const auto wanted = static_cast<std::int64_t>(ask.host_ports->size());
  if (wanted == 0) return true;
  return ask.names_ports ? node.ports.can_choose(*ask.host_ports) : node.ports.free_count() >= wanted;
}

// What decides a search: all rules at once, the most selective first.
inline bool fits(const Row& node, const Ask& ask) {
  return has_cpu(node, ask) && has_memory(node, ask) && is_ready(node, ask) && is_open(node, ask) &&
         is_not_held(node, ask) && matches_selector(node, ask) && has_disk(node, ask) && has_ports(node, ask);
}

// The rules of `policy` in its order, then the others.
[[nodiscard]] std::vector<Rule> rules_in_order(const Policy& policy);
// The first of `rules` that refuses the node; nothing: it fits.
[[nodiscard]] std::optional<Rule> refuses(const Row& node, const Ask& ask, std::span<const Rule> rules);

// The sentence for it.
[[nodiscard]] Refusal explain(const NodeView& node, const Request& request, Rule rule);

}  // namespace sandboxd::sched
