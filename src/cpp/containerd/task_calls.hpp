// What is done to a task that exists, short of ending it. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"
#include "containerd/wire.pb.h"

#include <optional>
#include <string>

namespace sandboxd::containerd {

// As the methods of ports::SandboxRuntime.
[[nodiscard]] Task<Result<void>> pause_task(Context* context, std::string key);
[[nodiscard]] Task<Result<void>> resume_task(Context* context, std::string key);
[[nodiscard]] Task<Result<void>> ask_task_to_stop(Context* context, std::string key);

// The exit code of what is told as stopped. A shim (gVisor's by its nature, for a while) sees that a task has stopped
// before it knows with what code, and says 0 without a time until then: that is waited for, for the time of a call.
// Nothing: it is not known.
[[nodiscard]] Task<std::optional<int>> exit_code_of(Context* context, std::string key, wire::Process stopped);

// "SIGTERM", "TERM" or "15"; nothing that is a signal: SIGTERM. Pure.
[[nodiscard]] int parse_signal(const std::string& text);

}  // namespace sandboxd::containerd
