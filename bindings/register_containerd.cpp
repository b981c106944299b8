// The private containerd's configuration, for the supervisor that starts it.
#include "containerd/daemon_config.hpp"
#include "errors.hpp"
#include "gil.hpp"
#include "register.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <utility>

namespace py = pybind11;

namespace sandboxd::bindings {

void register_containerd(py::module_& module) {
  module.def(
      "make_containerd_config",
      [](std::string root_dir, std::string state_dir, std::string socket_path, std::string snapshotter,
         std::string registry_config_dir, std::string log_level) {
        containerd::DaemonOptions options;
        options.root_dir = std::move(root_dir);
        options.state_dir = std::move(state_dir);
        options.socket_path = std::move(socket_path);
        options.snapshotter = std::move(snapshotter);
        options.registry_config_dir = std::move(registry_config_dir);
        options.log_level = std::move(log_level);
        return containerd::make_daemon_config(options);
      },
      py::kw_only(), py::arg("root_dir"), py::arg("state_dir"), py::arg("socket_path"),
      py::arg("snapshotter") = "overlayfs", py::arg("registry_config_dir") = "", py::arg("log_level") = "warn",
      "The text of a configuration file for a private containerd.");
  module.def(
      "choose_snapshotter",
      [](const std::string& root_dir) {
        return unwrap(without_gil([&] { return containerd::choose_snapshotter(root_dir); }));
      },
      py::arg("root_dir"), "\"overlayfs\" when an overlay can be mounted below root_dir, else \"native\".");
}

}  // namespace sandboxd::bindings
