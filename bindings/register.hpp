// One function per area of the module; module.cpp calls each once, errors first.
#pragma once

#include <pybind11/pybind11.h>

namespace sandboxd::bindings {

void register_errors(pybind11::module_& module);
void register_config(pybind11::module_& module);
void register_containerd(pybind11::module_& module);
void register_daemon(pybind11::module_& module);
void register_sched(pybind11::module_& module);
void register_sim(pybind11::module_& module);

}  // namespace sandboxd::bindings
