// The default system call filter of containers under runc. gVisor filters by itself and ignores it. Pure.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace sandboxd::containerd {

// The `linux.seccomp` object of an OCI spec: a list of allowed calls, everything else answers EPERM (ENOSYS for clone3,
// so that C libraries fall back to clone, whose flags can be filtered). Calls that only make sense with a capability
// are allowed when `capabilities` ("CAP_SYS_ADMIN") has it. Each is meant for unprivileged use by ordinary programs:
// nothing here mounts, loads code into the kernel, makes namespaces, sets clocks, traces foreign processes, or reaches
// keyrings, io_uring or userfaultfd.
[[nodiscard]] boost::json::object default_seccomp(const std::vector<std::string>& capabilities);

}  // namespace sandboxd::containerd
