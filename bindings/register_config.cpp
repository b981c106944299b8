// OrchConfig and NodeConfig: values set and read as text by field name, and the table that describes them.
#include "base/config.hpp"
#include "errors.hpp"
#include "node/config.hpp"
#include "orch/config.hpp"
#include "register.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace py = pybind11;

namespace sandboxd::bindings {
namespace {

template <class Config>
std::string get_by_name(const Config& config, std::string_view name) {
  for (const ConfigField<Config>& field : Config::fields()) {
    if (field.name == name) return get_field(config, field);
  }
  raise_error(Error(ErrorCode::invalid_argument, "unknown configuration field: " + std::string(name)));
}

template <class Config>
std::vector<std::tuple<std::string, std::string, std::string>> describe_foreign() {
  std::vector<std::tuple<std::string, std::string, std::string>> out;
  for (const ForeignSetting& setting : Config::foreign_settings()) {
    out.emplace_back(setting.key, setting.env, setting.kind);
  }
  return out;
}

template <class Config>
void register_one(py::module_& module, const char* name, const char* doc) {
  py::class_<Config>(module, name, doc)
      .def(py::init<>())
      .def_static("fields", &describe_fields<Config>, "The table of fields, in order.")
      .def_static("foreign_settings", &describe_foreign<Config>,
                  "Settings of the original without meaning here: (key, environment name, kind).")
      .def(
          "set",
          [](Config& config, std::string_view field, std::string_view text) { unwrap(set_field(config, field, text)); },
          py::arg("name"), py::arg("text"), "Set a field from text.")
      .def("get", &get_by_name<Config>, py::arg("name"), "A field's value as text.")
      .def("validate", &Config::validate, "Every problem, one sentence each; empty when valid.");
}

}  // namespace

void register_config(py::module_& module) {
  py::class_<ConfigFieldInfo>(module, "ConfigField", "One row of a configuration's table.")
      .def_readonly("name", &ConfigFieldInfo::name)
      .def_readonly("kind", &ConfigFieldInfo::kind)
      .def_readonly("default_text", &ConfigFieldInfo::default_text)
      .def_readonly("description", &ConfigFieldInfo::description)
      .def_readonly("original_key", &ConfigFieldInfo::original_key)
      .def_readonly("original_env", &ConfigFieldInfo::original_env)
      .def_readonly("is_secret", &ConfigFieldInfo::is_secret)
      .def_readonly("is_reloadable", &ConfigFieldInfo::is_reloadable)
      .def_readonly("original_default", &ConfigFieldInfo::original_default)
      .def_readonly("original_low", &ConfigFieldInfo::original_low);
  register_one<orch::OrchConfig>(module, "OrchConfig", "Configuration of a control plane.");
  register_one<node::NodeConfig>(module, "NodeConfig", "Configuration of a node agent.");
}

}  // namespace sandboxd::bindings
