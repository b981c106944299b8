// The scheduler over plain data; src/sandboxd/_sched.py gives it its Python face.
#include "errors.hpp"
#include "register.hpp"
#include "sched/scheduler.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace py = pybind11;

namespace sandboxd::bindings {
namespace {

template <class T>
T member(const py::dict& data, const char* name) {
  return data[name].cast<T>();
}

sched::NodeView to_node(const py::dict& data) {
  sched::NodeView node;
  node.id = NodeId(member<std::string>(data, "id"));
  node.ready = member<bool>(data, "ready");
  node.cordoned = member<bool>(data, "cordoned");
  node.labels = member<model::Labels>(data, "labels");
  node.allocatable_cpu_milli = member<std::int64_t>(data, "allocatable_cpu_milli");
  node.allocatable_memory_bytes = member<std::int64_t>(data, "allocatable_memory_bytes");
  node.allocatable_disk_bytes = member<std::int64_t>(data, "allocatable_disk_bytes");
  node.free_cpu_milli = member<std::int64_t>(data, "free_cpu_milli");
  node.free_memory_bytes = member<std::int64_t>(data, "free_memory_bytes");
  node.free_disk_bytes = member<std::int64_t>(data, "free_disk_bytes");
  node.images = member<std::vector<std::string>>(data, "images");
  for (const auto& [group, count] : member<std::map<std::string, std::int64_t>>(data, "groups"))
    node.groups.emplace_back(group, count);
  node.taken_ports = member<std::vector<int>>(data, "taken_ports");
  return node;
}

py::dict from_node(const sched::NodeView& node) {
  py::dict groups;
  for (const auto& [group, count] : node.groups) groups[py::str(group)] = count;
  py::dict out;
  out["id"] = node.id.str();
  out["ready"] = node.ready;
  out["cordoned"] = node.cordoned;
  out["labels"] = node.labels;
  out["allocatable_cpu_milli"] = node.allocatable_cpu_milli;
  out["allocatable_memory_bytes"] = node.allocatable_memory_bytes;
  out["allocatable_disk_bytes"] = node.allocatable_disk_bytes;
  out["free_cpu_milli"] = node.free_cpu_milli;
  out["free_memory_bytes"] = node.free_memory_bytes;
  out["free_disk_bytes"] = node.free_disk_bytes;
  out["images"] = node.images;
  out["groups"] = groups;
  return out;
}

sched::Request to_request(const py::dict& data) {
  sched::Request request;
  request.cpu_milli = member<std::int64_t>(data, "cpu_milli");
  request.memory_bytes = member<std::int64_t>(data, "memory_bytes");
  request.disk_bytes = member<std::int64_t>(data, "disk_bytes");
  request.selector = member<model::Labels>(data, "selector");
  request.host_ports = member<std::vector<int>>(data, "host_ports");
  request.images = member<std::vector<std::string>>(data, "images");
  request.group = member<std::string>(data, "group");
  return request;
}

using RefusalRow = std::tuple<std::string, std::string, std::string>;  // node, rule, text

RefusalRow to_row(const sched::Refusal& refusal) {
  return {refusal.node.str(), std::string(to_string(refusal.rule)), refusal.text};
}

// node, score, host ports, refusals
using DecisionRow = std::tuple<std::string, int, std::vector<int>, std::vector<RefusalRow>>;
// node, score, points by score, refusal
using AssessmentRow = std::tuple<std::string, int, std::map<std::string, int>, std::optional<RefusalRow>>;

sched::Reservation reservation_for(const sched::Request& request, std::vector<int> ports) {
  return {request.cpu_milli, request.memory_bytes, request.disk_bytes, std::move(ports), request.group};
}

// A cluster whose time stands still: there is no quarantine of host ports.
class Scheduler {
 public:
  Scheduler(const std::vector<py::dict>& nodes, const std::string& policy, int port_min, int port_max,
            std::uint64_t seed)
      : cluster_(make(nodes, policy, port_min, port_max, seed)) {}

  DecisionRow place(const py::dict& data, std::size_t refusals_max) {
    const sched::Request request = to_request(data);
    const sched::Decision decision = cluster_.place(request, MonoTime(), refusals_max);
    std::vector<RefusalRow> refusals;
    for (const sched::Refusal& refusal : decision.refusals) refusals.push_back(to_row(refusal));
    std::vector<int> ports;
    if (decision.placed()) {
      ports = cluster_.choose_ports(decision.node, request, MonoTime()).value_or(std::vector<int>());
      cluster_.reserve(decision.node, reservation_for(request, ports));
    }
    return {decision.node.str(), decision.score, std::move(ports), std::move(refusals)};
  }

  void release(const std::string& node, const py::dict& data, std::vector<int> ports) {
    cluster_.release(NodeId(node), reservation_for(to_request(data), std::move(ports)), MonoTime(), false);
  }

  std::vector<AssessmentRow> assess(const py::dict& request) {
    std::vector<AssessmentRow> out;
    for (const sched::Assessment& one : cluster_.assess(to_request(request), MonoTime())) {
      std::map<std::string, int> points;
      for (const auto& [score, value] : one.parts) points.emplace(to_string(score), value);
      std::optional<RefusalRow> refusal;
      if (one.refusal) refusal = to_row(*one.refusal);
      out.emplace_back(one.node.str(), one.score, std::move(points), std::move(refusal));
    }
    return out;
  }

  std::vector<py::dict> nodes() const {
    std::vector<py::dict> out;
    for (const sched::NodeView& node : cluster_.snapshot().nodes) out.push_back(from_node(node));
    return out;
  }

  Scheduler copy() const { return *this; }

 private:
  static sched::Cluster make(const std::vector<py::dict>& nodes, const std::string& policy, int port_min, int port_max,
                             std::uint64_t seed) {
    if (port_min < 1 || port_max > 65535 || port_min > port_max)
      raise_error(Error(ErrorCode::invalid_argument, "host ports " + std::to_string(port_min) + " to " +
                                                         std::to_string(port_max) +
                                                         " are not a range within 1 to 65535"));
    sched::ClusterOptions options;
    options.policy = unwrap(sched::parse_policy(policy));
    options.ports.first = port_min;
    options.ports.last = port_max;
    options.seed = seed;
    sched::Snapshot snapshot;
    for (const py::dict& node : nodes) snapshot.nodes.push_back(to_node(node));
    return sched::cluster_of(snapshot, std::move(options));
  }

  sched::Cluster cluster_;
};

}  // namespace

void register_sched(py::module_& module) {
  py::class_<Scheduler>(module, "Scheduler", "Nodes, what is reserved on them, and a policy.")
      .def(py::init<const std::vector<py::dict>&, const std::string&, int, int, std::uint64_t>(), py::arg("nodes"),
           py::arg("policy"), py::arg("port_min"), py::arg("port_max"), py::arg("seed"))
      .def("place", &Scheduler::place, py::arg("request"), py::arg("refusals_max"),
           "Decide and reserve: node (empty: none fits), score, host ports, refusals as (node, rule, text).")
      .def("release", &Scheduler::release, py::arg("node"), py::arg("request"), py::arg("ports"), "Give it back.")
      .def("assess", &Scheduler::assess, py::arg("request"), "For each node: id, score, points by score, refusal.")
      .def("nodes", &Scheduler::nodes, "What is left.")
      .def("copy", &Scheduler::copy, "Another one, independent.");
  module.def(
      "check_policy", [](const std::string& text) { return sched::policy_json(unwrap(sched::parse_policy(text))); },
      py::arg("text"), "A policy, by name or as JSON, complete and as JSON.");
  module.def(
      "built_in_policies",
      [] {
        std::vector<std::string> out;
        for (const sched::Policy& policy : sched::built_in_policies()) out.push_back(sched::policy_json(policy));
        return out;
      },
      "The built-in policies as JSON.");
}

}  // namespace sandboxd::bindings
