// Mounting a disk image (disk_image.hpp) by a loop device, with system calls only: no process is started. Blocking.
//
// The kernel frees the device when the mount is gone (autoclear), so a device cannot be leaked without its mount.
#pragma once

#include "base/result.hpp"

#include <string>

namespace sandboxd::containerd {

// Errors: storage_failed, naming image and cause. Then neither device nor mount is left.
[[nodiscard]] Result<void> mount_disk(const std::string& image, const std::string& directory);

// The same for an image that was mounted before. Where a process still holds that mount, though it is detached, the
// same device is used: two would write over one another. Looks at every loop device of the machine.
[[nodiscard]] Result<void> mount_disk_again(const std::string& image, const std::string& directory);

// Whether this machine has loop devices. Errors: unsupported, with what to do.
[[nodiscard]] Result<void> check_loop_devices();

}  // namespace sandboxd::containerd
