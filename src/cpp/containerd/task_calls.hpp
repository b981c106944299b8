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

// The daemon has a task's record and nothing from its shim: that did not answer it in time. Pure.
[[nodiscard]] bool is_shim_silent(const wire::Process& process);

// The exit code of a task that `stopped` tells as stopped. A shim may see the end before it knows the code, and then
// says 0 without a time (gVisor's does): the code is waited for, at most the time of a call. Nothing: it cannot be
// known. Errors: unavailable when the daemon went away, which says nothing of the task.
[[nodiscard]] Task<Result<std::optional<int>>> exit_code_of(Context* context, std::string key, wire::Process stopped);

// "SIGTERM", "TERM" or "15"; nothing that is a signal: SIGTERM. Pure.
[[nodiscard]] int parse_signal(const std::string& text);

}  // namespace sandboxd::containerd
