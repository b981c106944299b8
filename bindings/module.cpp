#include "register.hpp"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The native part of sandboxd. Private: use the classes of the package.";
  module.attr("__version__") = SANDBOXD_VERSION;
  sandboxd::bindings::register_errors(module);
  sandboxd::bindings::register_config(module);
  sandboxd::bindings::register_containerd(module);
  sandboxd::bindings::register_daemon(module);
  sandboxd::bindings::register_sched(module);
  sandboxd::bindings::register_sim(module);
}
