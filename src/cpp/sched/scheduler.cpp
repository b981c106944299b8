#include "sched/scheduler.hpp"

#include "sched/filter.hpp"
#include "sched/score.hpp"

#include <algorithm>

namespace sandboxd::sched {

std::string_view to_string(Rule rule) {
  switch (rule) {
    case Rule::not_ready: return "not_ready";
    case Rule::cordoned: return "cordoned";
    case Rule::selector: return "selector";
    case Rule::cpu: return "cpu";
    case Rule::memory: return "memory";
    case Rule::ports: return "ports";
  }
  return "unknown";
}

Request request_of(const model::SandboxSpec& spec) {
  Request request;
  request.cpu_milli = model::total_request_cpu_milli(spec);
  request.memory_bytes = model::total_request_memory_bytes(spec);
  request.selector = spec.node_selector;
  for (const model::PortSpec& port : spec.ports) request.host_ports.push_back(port.host_port);
  return request;
}

std::vector<std::string> lines_of(const std::vector<Refusal>& refusals, std::size_t nodes) {
  if (nodes == 0) return {"no nodes are registered"};
  std::vector<std::string> lines;
  lines.reserve(refusals.size() + 1);
  for (const Refusal& refusal : refusals) lines.push_back(refusal.text);
  if (nodes > refusals.size()) lines.push_back("and " + std::to_string(nodes - refusals.size()) + " more nodes");
  return lines;
}

Decision place(const Snapshot& snapshot, const Request& request, std::size_t refusals_max) {
  Decision decision;
  for (const NodeView& node : snapshot.nodes) {
    if (refuses(node, request)) continue;
    const int points = score(node);
    if (decision.placed() && (points < decision.score || (points == decision.score && decision.node < node.id))) {
      continue;
    }
    decision.node = node.id;
    decision.score = points;
  }
  if (decision.placed()) return decision;
  for (const NodeView& node : snapshot.nodes) {
    if (const auto rule = refuses(node, request)) decision.refusals.push_back(explain(node, request, *rule));
  }
  std::sort(decision.refusals.begin(), decision.refusals.end(),
            [](const Refusal& a, const Refusal& b) { return a.node < b.node; });
  if (decision.refusals.size() > refusals_max) decision.refusals.resize(refusals_max);
  return decision;
}

}  // namespace sandboxd::sched
