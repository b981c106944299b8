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

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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
          "reload",
          [](Daemon& daemon, const Config& config) {
            const auto done = unwrap(without_gil([&] { return daemon.reload(config); }));
            return std::make_pair(done.changed, done.need_restart);
          },
          py::arg("config"), "Take over what may change: (names that changed, names that need a restart).")
      .def(
          "wait",
          [](Daemon& daemon, std::optional<double> timeout) {
            return wait_interruptibly([&](Duration slice) { return daemon.wait(slice); }, timeout);
          },
          py::arg("timeout") = py::none(), "Wait until it stopped, `timeout` seconds at most; true when it stopped.")
      .def_property_readonly("port", &Daemon::port, "The port that it serves on; 0 before start.");
}

void set_up_logging(const std::string& level, std::string app) {
  const auto parsed = parse_log_level(level);
  if (!parsed) raise_error(Error(ErrorCode::invalid_argument, "no log level: " + level));
  LogOptions options;
  options.level = *parsed;
  options.app = std::move(app);
  configure_logging(options);
}

// Python's own lines, in the form of all others. `group` (if any) is the object that holds the fields.
void log_line(const std::string& level, const std::string& message, const std::map<std::string, std::string>& fields,
              const std::string& group) {
  std::vector<LogField> members;
  for (const auto& [key, value] : fields) members.emplace_back(key, value);
  if (!group.empty()) members = {LogField::object(group, members)};
  static constexpr Log kLog("cli");
  const auto parsed = parse_log_level(level);
  if (!parsed) raise_error(Error(ErrorCode::invalid_argument, "no log level: " + level));
  kLog.plain(*parsed, message, members);
}

}  // namespace

void register_daemon(py::module_& module) {
  module.def("configure_logging", &set_up_logging, py::kw_only(), py::arg("level") = "info",
             py::arg("app") = "sandboxd", "What the core logs, and as whom.");
  module.def(
      "start_log_writer",
      [](const std::string& directory, const std::string& prefix, std::int64_t keep_files, std::int64_t keep_bytes) {
        unwrap(start_log_writer(directory, prefix, LogKeep{keep_files, keep_bytes}));
      },
      py::kw_only(), py::arg("directory") = "", py::arg("prefix") = "sandboxd", py::arg("keep_files") = 0,
      py::arg("keep_bytes") = 0, "From here on a thread writes the log, also to hourly files in `directory`.");
  module.def("log_line", &log_line, py::arg("level"), py::arg("message"),
             py::arg("fields") = std::map<std::string, std::string>(), py::arg("group") = "", "Log one line.");
  module.def("flush_log", [] { without_gil([] { flush_log(); }); }, "Wait until what was logged is written.");
  register_one<orch::Orchestrator, orch::OrchConfig>(module, "Orchestrator", "A control plane in this process.");
  register_one<node::NodeDaemon, node::NodeConfig>(module, "NodeDaemon", "A node agent in this process.")
      .def(
          "teardown", [](node::NodeDaemon& node) { unwrap(without_gil([&] { return node.teardown(); })); },
          "Leave the machine clean; on a daemon that does not run.");
}

}  // namespace sandboxd::bindings
