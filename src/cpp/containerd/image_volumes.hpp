// The directories that an image declares as volumes (VOLUME in a Dockerfile).
//
// Each becomes a directory on the container's volume disk, with owner, mode and content of the image's directory, as
// with Docker: what the image's user could write to it still can. All volumes of a container share that disk, whose
// size is the container's ephemeral storage again (outside of the share for root file system and /tmp), and go with the
// container. A path on which the request mounts something itself is not made.
#pragma once

#include "base/result.hpp"
#include "ports/sandbox_runtime.hpp"

#include <string>
#include <vector>

namespace sandboxd::containerd {

// The mounts for a container's image volumes, below `disk`, in the image's order. Pure. Empty: none is needed. Paths
// that are no directory of a container's own (relative, "/", /proc, /sys, /dev) are left out.
[[nodiscard]] std::vector<ports::BindMount> plan_image_volumes(const ports::ContainerRequest& request,
                                                               const std::string& disk);

// Makes and fills them. `layers` are the image's directories, topmost first; `scratch` is a name for a directory that
// is made and removed. Blocking. Errors: image_failed (a volume's path is no directory in the image), storage_failed
// (such as content that is larger than the disk), naming the volume.
[[nodiscard]] Result<void> make_image_volumes(const std::vector<std::string>& layers, const std::string& scratch,
                                              const std::vector<ports::BindMount>& volumes);

}  // namespace sandboxd::containerd
