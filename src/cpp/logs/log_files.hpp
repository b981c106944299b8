// Where container logs lie, and reading them: <data_dir>/logs/<sandbox>/<container>.log, and .log.1 for the older half
// after a rotation. Written by the log holder. Blocking functions; any thread.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"

#include <string>
#include <vector>

namespace sandboxd::logs {

// Each name becomes one path segment. Errors: invalid_argument for a name that could leave the directory.
[[nodiscard]] Result<void> check_id(const SandboxId& sandbox);
[[nodiscard]] Result<void> check_names(const SandboxId& sandbox, const std::string& container);

// Older lines first. Errors: not_found, too_large "logs too large", storage_failed, permission_denied.
[[nodiscard]] Result<std::vector<std::string>> read_log(const std::string& data_dir, const SandboxId& sandbox,
                                                        const std::string& container);

}  // namespace sandboxd::logs
