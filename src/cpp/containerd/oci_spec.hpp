// A container request as the OCI runtime specification that runc and runsc read. Pure: everything that has to be looked
// up on the machine comes in through SpecInputs.
//
// Hardening follows sandboxd-o's node (its digest, 6.2): masked and read-only /proc paths, Docker's default
// capabilities changed by cap_add and cap_drop, no-new-privileges unless it is switched off, the default seccomp
// profile unless "unconfined". The OOM score is never lowered and the open-files limit never raised above the host's:
// hosts without CAP_SYS_RESOURCE refuse both.
#pragma once

#include "base/result.hpp"
#include "containerd/users.hpp"
#include "ports/sandbox_runtime.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <string>

namespace sandboxd::containerd {

struct SpecInputs {
  ports::ContainerRequest request;
  ResolvedUser user;
  bool is_runsc = false;
  bool cgroup_v2 = false;
  std::string cgroup_parent;          // "/sandboxd-0"; the container's own group is <parent>/<key>
  std::string root_path = "rootfs";   // absolute for a pod's root container
  std::uint32_t pod_root_pid = 0;     // for a pod member under runc, whose namespaces it joins
  std::uint64_t nofile_hard_max = 0;  // of this process; 0: say nothing
};

// Errors: invalid_argument for unknown capabilities, security options, tmpfs options and a container without any
// command.
[[nodiscard]] Result<boost::json::object> make_oci_spec(const SpecInputs& inputs);

// With an in-sandbox agent (ContainerRequest::set_up_guest) the spec's process is the agent, as root and with what it
// needs beside the container's own capabilities; this is what it runs then. Errors: as make_oci_spec().
[[nodiscard]] Result<ports::GuestSetup> make_guest_setup(const SpecInputs& inputs);

// The process of the container: the request's arguments in place of entrypoint and command, else the image's own. Empty
// for a container that only holds, which needs an agent.
[[nodiscard]] Result<std::vector<std::string>> process_arguments(const ports::ContainerRequest& request);

// security_opt entries: no-new-privileges[=bool], seccomp=<profile>, apparmor=<profile>, with '=' or ':'.
struct SecurityOptions {
  bool no_new_privileges = true;
  bool seccomp = true;  // the default profile
};
[[nodiscard]] Result<SecurityOptions> parse_security_options(const std::vector<std::string>& entries);

// sandboxd-o's tmpfs option list as mount options: nosuid, nodev and mode 1777 unless it says otherwise; size in bytes.
[[nodiscard]] Result<std::vector<std::string>> tmpfs_options(std::string_view text);

}  // namespace sandboxd::containerd
