// Orchestrator and NodeDaemon in this process: they run on threads of their own and never touch Python.
#include "base/log.hpp"
#include "base/time.hpp"
#include "errors.hpp"
#include "gil.hpp"
#include "node/node_daemon.hpp"
#include "orch/orchestrator.hpp"
#include "register.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace py = pybind11;

namespace sandboxd::bindings {
namespace {

template <class Daemon, class Config>
py::class_<Daemon> register_one(py::module_& module, const char* name, const char* doc) {
  // The destructor stops and joins threads: it must not hold the GIL meanwhile.
  return py::class_<Daemon>(module, name, doc, py::release_gil_before_calling_cpp_dtor())
      .def(py::init([](const Config& config) { return unwrap(Daemon::make(config)); }), py::arg("config"))
      .def(
          "start", [](Daemon& daemon) { unwrap(without_gil([&] { return daemon.start(); })); }, "Start to serve.")
      .def(
          "stop", [](Daemon& daemon) { without_gil([&] { daemon.stop(); }); }, "Drain and stop; idempotent.")
      .def(
          "wait",
          [](Daemon& daemon, std::optional<double> timeout) {
            return wait_interruptibly([&](Duration slice) { return daemon.wait(slice); }, timeout);
          },
          py::arg("timeout") = py::none(), "Wait until it stopped, `timeout` seconds at most; true when it stopped.")
      .def_property_readonly("port", &Daemon::port, "The port that it serves on; 0 before start.");
}

void start_logging(const std::string& level, std::string app, std::string file) {
  static constexpr std::array<std::pair<std::string_view, LogLevel>, 5> kLevels{{{"debug", LogLevel::debug},
                                                                                 {"info", LogLevel::info},
                                                                                 {"warn", LogLevel::warn},
                                                                                 {"error", LogLevel::error},
                                                                                 {"off", LogLevel::off}}};
  LogOptions options;
  for (const auto& [name, value] : kLevels) {
    if (name == level) options.level = value;
  }
  options.app = std::move(app);
  options.file = std::move(file);
  configure_logging(options);
}

}  // namespace

void register_daemon(py::module_& module) {
  module.def("configure_logging", &start_logging, py::kw_only(), py::arg("level") = "info", py::arg("app") = "sandboxd",
             py::arg("file") = "", "Where and how much the core logs; once per process.");
  register_one<orch::Orchestrator, orch::OrchConfig>(module, "Orchestrator", "A control plane in this process.");
  register_one<node::NodeDaemon, node::NodeConfig>(module, "NodeDaemon", "A node agent in this process.")
      .def(
          "teardown", [](node::NodeDaemon& node) { unwrap(without_gil([&] { return node.teardown(); })); },
          "Leave the machine clean; on a daemon that does not run.");
}

}  // namespace sandboxd::bindings
