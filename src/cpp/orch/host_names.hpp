// Which port of which node the host name of a sandbox stands for. Asked for each request: nothing here is remembered,
// so a sandbox that was stopped, moved or made anew is never confused with what was there before.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <string>
#include <string_view>

namespace sandboxd::orch {

class Engine;
class State;

struct HostTarget {
  std::string address;  // of the node
  int port = 0;         // its host port
};

// The container port that a name without a number means, as "3000/tcp".
inline constexpr std::string_view kMainPortAnnotation = "opensbx/main_port";

// `label` is a sandbox's name, for its main port (the annotation's, else the only published TCP port), or
// "<container port>-<name>" for any published TCP port. Errors: not_found: no such sandbox runs, or it publishes no
// such port; conflict: sandboxes of several owners have that name.
[[nodiscard]] Result<HostTarget> host_target(const State& state, std::string_view label);
[[nodiscard]] Task<Result<HostTarget>> find_host_target(Engine& engine, std::string label);

}  // namespace sandboxd::orch
