// Which options of a request weaken the wall between a container and the host's kernel, and whether this node takes
// them. Pure.
//
// Under runc that wall is the kernel's own: capabilities beyond the default ones and a switched off seccomp filter open
// attack surface of the machine that everybody shares. Under runsc the same options act on gVisor's kernel, which the
// sandbox has to itself.
#pragma once

#include "base/result.hpp"
#include "model/spec.hpp"
#include "node/config.hpp"

namespace sandboxd::node {

// NodeConfig::privileged_options: "isolated" takes such options under runsc only, "always" everywhere, "never" nowhere.
// Errors: invalid_argument, naming container, option and setting.
[[nodiscard]] Result<void> check_privileges(const NodeConfig& config, const model::SandboxSpec& spec);

}  // namespace sandboxd::node
