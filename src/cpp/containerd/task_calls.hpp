// What is done to a task that exists, short of ending it. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"

#include <string>

namespace sandboxd::containerd {

// As the methods of ports::SandboxRuntime.
[[nodiscard]] Task<Result<void>> pause_task(Context* context, std::string key);
[[nodiscard]] Task<Result<void>> resume_task(Context* context, std::string key);
[[nodiscard]] Task<Result<void>> ask_task_to_stop(Context* context, std::string key);

// "SIGTERM", "TERM" or "15"; nothing that is a signal: SIGTERM. Pure.
[[nodiscard]] int parse_signal(const std::string& text);

}  // namespace sandboxd::containerd
