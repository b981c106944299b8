// The scheduler as a pure function of plain data; src/sandboxd/_sched.py gives it its Python face.
#include "register.hpp"
#include "sched/scheduler.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
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
  node.free_cpu_milli = member<std::int64_t>(data, "free_cpu_milli");
  node.free_memory_bytes = member<std::int64_t>(data, "free_memory_bytes");
  node.free_ports = member<std::int64_t>(data, "free_ports");
  node.taken_ports = member<std::vector<int>>(data, "taken_ports");
  return node;
}

sched::Request to_request(const py::dict& data) {
  sched::Request request;
  request.cpu_milli = member<std::int64_t>(data, "cpu_milli");
  request.memory_bytes = member<std::int64_t>(data, "memory_bytes");
  request.selector = member<model::Labels>(data, "selector");
  request.host_ports = member<std::vector<int>>(data, "host_ports");
  return request;
}

using RefusalRow = std::tuple<std::string, std::string, std::string>;  // node, rule, text

std::tuple<std::string, int, std::vector<RefusalRow>> place(const std::vector<py::dict>& nodes, const py::dict& request,
                                                            std::size_t refusals_max) {
  sched::Snapshot snapshot;
  for (const py::dict& node : nodes) snapshot.nodes.push_back(to_node(node));
  const sched::Decision decision = sched::place(snapshot, to_request(request), refusals_max);
  std::vector<RefusalRow> refusals;
  for (const sched::Refusal& refusal : decision.refusals) {
    refusals.emplace_back(refusal.node.str(), std::string(to_string(refusal.rule)), refusal.text);
  }
  return {decision.node.str(), decision.score, std::move(refusals)};
}

}  // namespace

void register_sched(py::module_& module) {
  module.def("place", &place, py::arg("nodes"), py::arg("request"), py::arg("refusals_max"),
             "Node (empty: none fits), score, and refusals as (node, rule, text).");
}

}  // namespace sandboxd::bindings
