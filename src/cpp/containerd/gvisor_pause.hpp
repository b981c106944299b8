// Pausing gVisor's sandboxes, by the program runsc.
//
// Not by the task API: the shim (as of 2026) publishes the event of a pause under no topic, which the daemon refuses,
// and dies of that refusal; its death ends the sandbox. Behind its back it goes on calling the sandbox running, so a
// file below run_dir/paused says which ones stand still: made before, removed after. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"

#include <string>

namespace sandboxd::containerd {

// `key`: of a single container or of a pod's root. Errors: not_found (it does not run; runsc is not installed),
// runtime_failed, unsupported (this adapter was given nothing to run programs with).
[[nodiscard]] Task<Result<void>> pause_gvisor(Context* context, std::string key);
[[nodiscard]] Task<Result<void>> resume_gvisor(Context* context, std::string key);

// It may be standing still.
[[nodiscard]] bool is_marked_paused(const Context& context, const std::string& key);
// It is gone.
void forget_pause(const Context& context, const std::string& key);

}  // namespace sandboxd::containerd
