// Configuration as one table per role: fields with name, kind, default, description, and the names that the original
// systems used. The struct's initialisers are the defaults; the table only points at members. Loading (file,
// environment, flags) is Python's; C++ sets fields by name and validates. Nothing here reads files or the environment.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sandboxd {

template <class Config>
using ConfigMember = std::variant<std::string Config::*, std::int64_t Config::*, double Config::*, bool Config::*,
                                  Duration Config::*, std::vector<std::string> Config::*>;

// How a value is written as text: integers and sizes as quantities ("128Mi"), durations as Go writes them ("10s"),
// booleans as 1/true/yes/y/on or 0/false/no/n/off, lists comma separated.
template <class Config>
struct ConfigField {
  std::string_view name;  // also the key in our file and, upper case with SANDBOXD_, the environment name
  ConfigMember<Config> member;
  std::string_view description;   // one sentence, with the unit
  std::string_view original_key;  // in the original system's JSON file; empty: none
  std::string_view original_env;  // its environment variable; empty: none
  bool is_secret = false;         // masked wherever the configuration is shown
  bool is_reloadable = false;     // may change while the daemon runs (SIGHUP)
  // Where the original system is more lenient than we are, for values from its file or its environment names only:
  std::string_view original_default = {};  // when its file is used and does not say; empty: our default
  std::string_view original_low = {};      // in place of a number below 1, or of a number or duration of 0 and less
};

// A setting of the original system that has nothing to set here: accepted, checked for its type, and told in the log.
struct ForeignSetting {
  std::string_view key;   // in its file
  std::string_view env;   // its environment name; empty: none
  std::string_view kind;  // as in ConfigFieldInfo
};

// What Python sees of a field.
struct ConfigFieldInfo {
  std::string name, kind, default_text, description, original_key, original_env;
  bool is_secret = false;
  bool is_reloadable = false;
  std::string original_default, original_low;
};

// Text <-> value for each kind. set_text: invalid_argument with what was expected.
[[nodiscard]] Result<void> config_set(std::string& value, std::string_view text);
[[nodiscard]] Result<void> config_set(std::int64_t& value, std::string_view text);
[[nodiscard]] Result<void> config_set(double& value, std::string_view text);
[[nodiscard]] Result<void> config_set(bool& value, std::string_view text);
[[nodiscard]] Result<void> config_set(Duration& value, std::string_view text);
[[nodiscard]] Result<void> config_set(std::vector<std::string>& value, std::string_view text);
[[nodiscard]] std::string config_text(const std::string& value);
[[nodiscard]] std::string config_text(std::int64_t value);
[[nodiscard]] std::string config_text(double value);
[[nodiscard]] std::string config_text(bool value);
[[nodiscard]] std::string config_text(Duration value);
[[nodiscard]] std::string config_text(const std::vector<std::string>& value);

// Config needs `static std::span<const ConfigField<Config>> fields()`.
template <class Config>
[[nodiscard]] Result<void> set_field(Config& config, std::string_view name, std::string_view text) {
  for (const ConfigField<Config>& field : Config::fields()) {
    if (field.name != name) continue;
    auto set = std::visit([&](auto member) { return config_set(config.*member, text); }, field.member);
    if (!set) return set.error().with_context(name);
    return {};
  }
  return Error(ErrorCode::invalid_argument, "unknown configuration field: " + std::string(name));
}

template <class Config>
[[nodiscard]] std::string get_field(const Config& config, const ConfigField<Config>& field) {
  return std::visit([&](auto member) { return config_text(config.*member); }, field.member);
}

template <class Config>
[[nodiscard]] std::vector<ConfigFieldInfo> describe_fields() {
  static constexpr const char* kKinds[] = {"string", "int", "float", "bool", "duration", "list"};
  std::vector<ConfigFieldInfo> out;
  const Config defaults;
  for (const ConfigField<Config>& field : Config::fields()) {
    ConfigFieldInfo info;
    info.name = field.name;
    info.kind = kKinds[field.member.index()];
    info.default_text = get_field(defaults, field);
    info.description = field.description;
    info.original_key = field.original_key;
    info.original_env = field.original_env;
    info.is_secret = field.is_secret;
    info.is_reloadable = field.is_reloadable;
    info.original_default = field.original_default;
    info.original_low = field.original_low;
    out.push_back(std::move(info));
  }
  return out;
}

// invalid_argument with all of `problems` in one text, if there are any.
[[nodiscard]] Result<void> no_problems(const std::vector<std::string>& problems);

// What a reload came to, in names of fields.
struct ConfigReload {
  std::vector<std::string> changed;
  std::vector<std::string> need_restart;  // differ, and keep their old value until the daemon starts again
};

// Takes over the reloadable fields of `next`.
template <class Config>
[[nodiscard]] ConfigReload take_reloadable(Config& current, const Config& next) {
  ConfigReload out;
  for (const ConfigField<Config>& field : Config::fields()) {
    if (get_field(current, field) == get_field(next, field)) continue;
    (field.is_reloadable ? out.changed : out.need_restart).emplace_back(field.name);
    if (field.is_reloadable) std::visit([&](auto member) { current.*member = next.*member; }, field.member);
  }
  return out;
}

class Log;
// Says what a reload came to.
void log_reload(const Log& log, const ConfigReload& reload);

}  // namespace sandboxd
