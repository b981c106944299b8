// Taking a container away, whatever state it, its shim and its daemon are in. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"

#include <optional>
#include <string>

namespace sandboxd::containerd {

// As ports::SandboxRuntime::remove(). Touches nothing when the record of that key belongs to somebody else (conflict).
[[nodiscard]] Task<Result<void>> remove_container(Context* context, std::string key);

// As ports::SandboxRuntime::end_task(). Errors as above.
[[nodiscard]] Task<Result<std::optional<int>>> end_task_of(Context* context, std::string key);

}  // namespace sandboxd::containerd
