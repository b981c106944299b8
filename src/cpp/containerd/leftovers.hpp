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

// What the file says; what cannot be read is left out. A process's files in /proc fail in the middle when it ends.
[[nodiscard]] std::string read_if_readable(const std::string& path);

// Processes whose working directory is `bundle` or whose command line names it.
[[nodiscard]] std::vector<pid_t> processes_of(const std::string& bundle);

// SIGKILLs them once and waits until they are dead, a second at most. Not again at once: the daemon starts clean-up
// processes of its own for a dead shim, which name the bundle too and are to be left in peace.
void kill_processes_of(const std::string& bundle);

// SIGKILLs them until none is found: one that was just starting another may leave one that was not seen. For when the
// daemon knows nothing of the container any more. Takes at most two seconds.
void kill_all_processes_of(const std::string& bundle);

// Unmounts what is mounted below `directory` and deletes it. Success also when it is not there. Errors: as errno.
[[nodiscard]] Result<void> remove_tree(const std::string& directory);

// Deletes what an OCI runtime may leave of a container that it deleted: a socket, and the container's control groups
// with all processes in them (about a second at most). `thoroughly`, for an end that was not orderly, also its state
// below /run/containerd.
void remove_runtime_state(const std::string& key, const std::string& cgroup_parent, bool thoroughly);

}  // namespace sandboxd::containerd
