#include "sched/filter.hpp"

#include "model/quantity.hpp"

#include <array>

namespace sandboxd::sched {
namespace {

struct Filter {
  Rule rule;
  bool (*passes)(const Row&, const Ask&);
};

// By the number of the rule.
constexpr std::array<Filter, 8> kFilters{{{Rule::not_ready, is_ready},
                                          {Rule::cordoned, is_open},
                                          {Rule::selector, matches_selector},
                                          {Rule::cpu, has_cpu},
                                          {Rule::memory, has_memory},
                                          {Rule::disk, has_disk},
                                          {Rule::ports, has_ports},
                                          {Rule::held, is_not_held}}};

std::string missing_labels(const NodeView& node, const Request& request) {
  std::string text;
  for (const auto& [key, value] : request.selector) {
    const auto label = node.labels.find(key);
    if (label != node.labels.end() && label->second == value) continue;
    text += (text.empty() ? "" : ", ") + key + "=" + value;
  }
  return text;
}

std::string selector_text(const NodeView& node, const Request& request) {
  const auto& nodes = request.nodes;
  if (!nodes.empty() && std::find(nodes.begin(), nodes.end(), node.id) == nodes.end())
    return "is none of the nodes that it may be on";
  return "lacks the labels " + missing_labels(node, request);
}

std::string lacks(const char* what, const std::string& needed, const std::string& free) {
  return std::string("not enough ") + what + ": needs " + needed + ", has " + free + " free";
}

std::string ports_text(const NodeView& node, const Request& request) {
  std::string named;
  for (const int port : request.host_ports) {
    if (port != 0) named += (named.empty() ? "" : ", ") + std::to_string(port);
  }
  const auto wanted = static_cast<std::int64_t>(request.host_ports.size());
  if (!named.empty() && node.free_ports >= wanted) return "host ports not all free: " + named;
  return lacks("host ports", std::to_string(wanted), std::to_string(node.free_ports));
}

std::string reason(const NodeView& node, const Request& request, Rule rule) {
  using model::format_bytes;
  using model::format_cpu_milli;
  switch (rule) {
    case Rule::not_ready: return "not ready";
    case Rule::cordoned: return "closed for new sandboxes (unschedulable)";
    case Rule::selector: return selector_text(node, request);
    case Rule::cpu: return lacks("cpu", format_cpu_milli(request.cpu_milli), format_cpu_milli(node.free_cpu_milli));
    case Rule::memory: return lacks("memory", format_bytes(request.memory_bytes), format_bytes(node.free_memory_bytes));
    case Rule::disk: return lacks("disk", format_bytes(request.disk_bytes), format_bytes(node.free_disk_bytes));
    case Rule::ports: return ports_text(node, request);
    case Rule::held: return "kept free for a sandbox that has waited longer";
  }
  return "";
}

}  // namespace

std::vector<Rule> rules_in_order(const Policy& policy) {
  std::vector<Rule> order = policy.rules;
  for (const Filter& filter : kFilters) {
    if (std::find(order.begin(), order.end(), filter.rule) == order.end()) order.push_back(filter.rule);
  }
  return order;
}

std::optional<Rule> refuses(const Row& node, const Ask& ask, std::span<const Rule> rules) {
  for (const Rule rule : rules) {
    if (!kFilters[static_cast<std::size_t>(rule)].passes(node, ask)) return rule;
  }
  return std::nullopt;
}

Refusal explain(const NodeView& node, const Request& request, Rule rule) {
  return {node.id, rule, "node " + node.id.str() + ": " + reason(node, request, rule)};
}

}  // namespace sandboxd::sched
