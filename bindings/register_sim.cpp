// World: a simulated cluster from one seed; src/sandboxd/sim.py gives it its Python face.
#include "base/time.hpp"
#include "errors.hpp"
#include "gil.hpp"
#include "register.hpp"
#include "world/scenario.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <string>

namespace py = pybind11;

namespace sandboxd::bindings {
namespace {

double to_ms(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

py::dict stats_of(const world::World& world) {
  const world::WorldStats stats = world.stats();
  py::dict out;
  out["events"] = stats.events;
  out["faults"] = stats.faults;
  out["messages_spoiled"] = stats.messages_spoiled;
  out["creates_acknowledged"] = stats.creates_acknowledged;
  out["deletes_acknowledged"] = stats.deletes_acknowledged;
  out["control_plane_lives"] = stats.control_plane_lives;
  out["turns"] = stats.turns;
  out["sandboxes"] = stats.sandboxes;
  out["running"] = stats.running;
  out["waiting"] = stats.waiting;
  out["failed"] = stats.failed;
  out["given_up"] = stats.given_up;
  out["placements"] = stats.placements;
  out["running_p50_ms"] = to_ms(stats.running_p50);
  out["running_p95_ms"] = to_ms(stats.running_p95);
  out["running_max_ms"] = to_ms(stats.running_max);
  out["cpu_permille"] = stats.cpu_permille;
  out["cpu_spread_permille"] = stats.cpu_spread_permille;
  out["cpu_free_max_milli"] = stats.cpu_free_max_milli;
  return out;
}

std::unique_ptr<world::World> make_world(const std::string& scenario) {
  const auto parsed = unwrap(without_gil([&] { return world::parse_scenario(scenario); }));
  return without_gil([&] { return std::make_unique<world::World>(parsed.seed, parsed.options); });
}

}  // namespace

void register_sim(py::module_& module) {
  using world::World;
  using ReleaseGil = py::call_guard<py::gil_scoped_release>;
  py::class_<World>(module, "World", "A simulated cluster.", py::release_gil_before_calling_cpp_dtor())
      .def(py::init(&make_world), py::arg("scenario"), "From a scenario's JSON.")
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
      .def(
          "faults", [](const World& world) { return world.stats().faults_by_kind; }, "Counts by kind.")
      .def(
          "plan", [](const World& world) { return world::to_json(world.plan()); }, "What struck, as JSON.")
      .def(
          "scenario", [](const World& world, bool settle) { return world::to_json(world::scenario_of(world, settle)); },
          py::arg("settle"), "The run up to now, as JSON.")
      .def("seed", &World::seed, "The seed.")
      .def("now_ns", [](const World& world) { return world.now().ns; }, "Simulated wall clock.");
}

}  // namespace sandboxd::bindings
