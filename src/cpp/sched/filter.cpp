#include "sched/filter.hpp"

#include "model/quantity.hpp"

#include <algorithm>
#include <array>

namespace sandboxd::sched {
namespace {

struct Filter {
  Rule rule;
  bool (*passes)(const NodeView&, const Request&);
};

// Cheap rules first; the order is also the order in which refusals are explained.
constexpr std::array<Filter, 6> kFilters{{{Rule::not_ready, is_ready},
                                          {Rule::cordoned, is_open},
                                          {Rule::selector, matches_selector},
                                          {Rule::cpu, has_cpu},
                                          {Rule::memory, has_memory},
                                          {Rule::ports, has_ports}}};

std::string missing_labels(const NodeView& node, const Request& request) {
  std::string text;
  for (const auto& [key, value] : request.selector) {
    const auto label = node.labels.find(key);
    if (label != node.labels.end() && label->second == value) continue;
    text += (text.empty() ? "" : ", ") + key + "=" + value;
  }
  return text;
}

std::string amounts(const std::string& needed, const std::string& free) {
  return ": needs " + needed + ", has " + free + " free";
}

}  // namespace

bool is_ready(const NodeView& node, const Request&) { return node.ready; }

bool is_open(const NodeView& node, const Request&) { return !node.cordoned; }

bool matches_selector(const NodeView& node, const Request& request) {
  return std::all_of(request.selector.begin(), request.selector.end(), [&](const auto& wanted) {
    const auto label = node.labels.find(wanted.first);
    return label != node.labels.end() && label->second == wanted.second;
  });
}

bool has_cpu(const NodeView& node, const Request& request) { return node.free_cpu_milli >= request.cpu_milli; }

bool has_memory(const NodeView& node, const Request& request) { return node.free_memory_bytes >= request.memory_bytes; }

bool has_ports(const NodeView& node, const Request& request) {
  if (node.free_ports < static_cast<std::int64_t>(request.host_ports.size())) return false;
  return std::none_of(request.host_ports.begin(), request.host_ports.end(), [&](int port) {
    return port != 0 && std::binary_search(node.taken_ports.begin(), node.taken_ports.end(), port);
  });
}

std::optional<Rule> refuses(const NodeView& node, const Request& request) {
  for (const Filter& filter : kFilters) {
    if (!filter.passes(node, request)) return filter.rule;
  }
  return std::nullopt;
}

Refusal explain(const NodeView& node, const Request& request, Rule rule) {
  std::string text = "node " + node.id.str() + ": ";
  switch (rule) {
    case Rule::not_ready: text += "not ready"; break;
    case Rule::cordoned: text += "closed for new sandboxes (unschedulable)"; break;
    case Rule::selector: text += "lacks the labels " + missing_labels(node, request); break;
    case Rule::cpu:
      text += "not enough cpu" +
              amounts(model::format_cpu_milli(request.cpu_milli), model::format_cpu_milli(node.free_cpu_milli));
      break;
    case Rule::memory:
      text += "not enough memory" +
              amounts(model::format_bytes(request.memory_bytes), model::format_bytes(node.free_memory_bytes));
      break;
    case Rule::ports:
      text +=
          "not enough host ports" + amounts(std::to_string(request.host_ports.size()), std::to_string(node.free_ports));
      break;
  }
  return {node.id, rule, std::move(text)};
}

}  // namespace sandboxd::sched
