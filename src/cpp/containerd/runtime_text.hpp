// Error texts of containerd, its shims, runc and runsc, without the layers that each adds. Pure.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace sandboxd::containerd {

// `failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec:
// "nope": executable file not found in $PATH: unknown` -> `exec: "nope": executable file not found in $PATH`. Bounded
// in length; control characters become spaces.
[[nodiscard]] std::string clean_runtime_text(std::string_view text);

// The cause in CRI's answer to a failed pull, which names the image several times.
[[nodiscard]] std::string clean_pull_text(std::string_view text);

// What a pull that failed with `code` and this text failed of: not_found (the registry has no such image),
// permission_denied (it refuses), unavailable (it cannot be reached); else `code`.
[[nodiscard]] ErrorCode code_of_pull_text(ErrorCode code, std::string_view text);

}  // namespace sandboxd::containerd
