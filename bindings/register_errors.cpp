// The tree of exceptions is in src/sandboxd/_exceptions.py, which also knows the class of each code.
#include "base/result.hpp"
#include "errors.hpp"
#include "register.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <string>

namespace py = pybind11;

namespace sandboxd::bindings {
namespace {

void set_python_error(const Error& error) {
  try {
    py::module_::import("sandboxd._exceptions")
        .attr("raise_native")(std::string(to_string(error.code())), error.message(), error.reasons());
  } catch (py::error_already_set& raised) {
    raised.restore();
  }
}

}  // namespace

void raise_error(const Error& error) {
  set_python_error(error);
  throw py::error_already_set();
}

void register_errors(py::module_&) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const ErrorException& exception) {
      set_python_error(exception.error());
    }
  });
}

}  // namespace sandboxd::bindings
