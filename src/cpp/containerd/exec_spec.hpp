// The OCI process of a command that runs beside a container's own process. Pure.
#pragma once

#include "base/result.hpp"
#include "containerd/users.hpp"
#include "ports/runtime_exec.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::containerd {

// `container_spec` is the container's whole OCI spec: what the request leaves open is as it says there. `user`: when
// the request names one. Errors: runtime_failed (no readable spec).
[[nodiscard]] Result<std::string> make_exec_process(std::string_view container_spec,
                                                    const ports::RuntimeExecRequest& request,
                                                    const std::optional<ResolvedUser>& user);

// Why the runtime did not start a command: not_found or permission_denied when it is the program's or the directory's
// fault, conflict when the container does not run, else runtime_failed or what `error` is.
[[nodiscard]] Error exec_error(const Error& error);

}  // namespace sandboxd::containerd
