// What a dead or hung shim leaves on the machine, and its removal. Blocking; called on the adapter's file thread.
//
// How leftovers are found: a shim's working directory is its bundle, and everything that it runs (runc, runsc, the
// sentry, gofers) names the bundle on its command line. Both are unique to one container, so nothing else is hit.
#pragma once

#include "base/result.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace sandboxd::containerd {

// Processes whose working directory is `bundle` or whose command line names it.
[[nodiscard]] std::vector<pid_t> processes_of(const std::string& bundle);

// SIGKILLs them, again and again while new ones appear, at most about a second. True when none is left.
bool kill_processes_of(const std::string& bundle);

// Unmounts what is mounted below `directory` and deletes it. Success also when it is not there. Errors: as errno.
[[nodiscard]] Result<void> remove_tree(const std::string& directory);

// Deletes what an OCI runtime without its shim forgot: state below /run/containerd, empty control groups.
void remove_runtime_state(const std::string& key, const std::string& cgroup_parent);

}  // namespace sandboxd::containerd
