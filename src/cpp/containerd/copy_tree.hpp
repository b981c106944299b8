// A directory with all that is in it, copied as `cp -a` does without extended attributes and hard links. Blocking.
#pragma once

#include "base/result.hpp"

namespace sandboxd::containerd {

// Both are descriptors of directories; `to` is empty and ours. Owner, mode and times come along, for the directory
// itself too. Never follows a symbolic link, so nothing outside of `from` is read: images are not trusted. Errors:
// storage_failed (no room in `to`), too_large (nested deeper than 128 directories).
[[nodiscard]] Result<void> copy_tree(int from, int to);

}  // namespace sandboxd::containerd
