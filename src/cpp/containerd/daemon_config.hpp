// The configuration file of a private containerd, as text. Pure, apart from choose_snapshotter().
//
// The daemon looks for the shims (containerd-shim-runc-v2, containerd-shim-runsc-v1) in the PATH of its own process;
// the runc shim finds runc, and the gVisor shim finds runsc, in the PATH that they inherit from it. Whoever starts the
// daemon sets that PATH.
#pragma once

#include "base/result.hpp"

#include <string>

namespace sandboxd::containerd {

struct DaemonOptions {
  std::string root_dir;   // images, snapshots, metadata: on disk, large
  std::string state_dir;  // sockets, bundles: on a tmpfs, such as below /run
  std::string socket_path;
  std::string snapshotter = "overlayfs";
  std::string registry_config_dir;  // hosts.toml tree of registry mirrors; empty: containerd's defaults
  std::string log_level = "warn";
};

// TOML, version 2 (read by containerd 1.6 to 2.x). The CRI plugin is on, for pulling images only: no CNI, no NRI, no
// snapshotter that needs a special disk. Loopback registries are spoken to over plain http (containerd's default).
[[nodiscard]] std::string make_daemon_config(const DaemonOptions& options);

// "overlayfs" when an overlay can be mounted below `root_dir`, else "native" (which copies). Makes and removes a
// directory there; needs root. Errors: storage_failed, permission_denied.
[[nodiscard]] Result<std::string> choose_snapshotter(const std::string& root_dir);

}  // namespace sandboxd::containerd
