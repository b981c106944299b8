// World: a simulated cluster from one seed; src/sandboxd/sim.py gives it its Python face.
#include "base/time.hpp"
#include "errors.hpp"
#include "gil.hpp"
#include "register.hpp"
#include "world/world.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <string>

namespace py = pybind11;

namespace sandboxd::bindings {
namespace {

py::dict stats_of(const world::World& world) {
  const world::WorldStats stats = world.stats();
  py::dict out;
  out["events"] = stats.events;
  out["faults"] = stats.faults;
  out["messages_spoiled"] = stats.messages_spoiled;
  out["creates_acknowledged"] = stats.creates_acknowledged;
  out["deletes_acknowledged"] = stats.deletes_acknowledged;
  out["control_plane_lives"] = stats.control_plane_lives;
  out["sandboxes"] = stats.sandboxes;
  out["running"] = stats.running;
  return out;
}

std::unique_ptr<world::World> make_world(std::uint64_t seed, int nodes, int clients, bool faults, bool workload) {
  world::WorldOptions options;
  options.nodes = nodes;
  options.clients = clients;
  options.faults = faults;
  options.workload = workload;
  return std::make_unique<world::World>(seed, options);
}

}  // namespace

void register_sim(py::module_& module) {
  using world::World;
  using ReleaseGil = py::call_guard<py::gil_scoped_release>;
  py::class_<World>(module, "World", "A simulated cluster.", py::release_gil_before_calling_cpp_dtor())
      .def(py::init(&make_world), ReleaseGil(), py::arg("seed"), py::kw_only(), py::arg("nodes") = 0,
           py::arg("clients") = 0, py::arg("faults") = true, py::arg("workload") = true)
      .def(
          "run_for", [](World& world, std::int64_t ns) { world.run_for(Duration(ns)); }, ReleaseGil(), py::arg("ns"),
          "Move simulated time on.")
      .def("step", &World::step, ReleaseGil(), "To the next thing that happens; false when nothing is left.")
      .def(
          "inject",
          [](World& world, const std::string& name) { unwrap(without_gil([&] { return world.inject(name); })); },
          py::arg("name"), "Break something now.")
      .def("settle", &World::settle, ReleaseGil(), "Heal everything and come to rest.")
      .def("check", &World::check, ReleaseGil(), "Everything that is or was wrong.")
      .def("trace_hash", &World::trace_hash, "Of all that happened.")
      .def("trace_tail", &World::trace_tail, "The last lines of what happened.")
      .def("stats", &stats_of, "Counts.")
      .def("now_ns", [](const World& world) { return world.now().ns; }, "Simulated wall clock.");
}

}  // namespace sandboxd::bindings
