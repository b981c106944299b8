// What containerd's snapshotter says about a prepared snapshot: its layers, and its mounts changed so that what the
// container writes lands elsewhere. Pure. Private to this folder.
#pragma once

#include "containerd/wire.pb.h"

#include <string>
#include <vector>

namespace sandboxd::containerd {

// The directories that make up an unmounted snapshot, topmost first. The first one is the writable one.
[[nodiscard]] std::vector<std::string> layers_of(const wire::PrepareSnapshotReply& snapshot);

// The same root file system, written to `upper` (and `work`, on the same file system) instead of the snapshot's own
// directory: an overlay gets another upper directory, a plain directory gets an overlay over it.
void redirect_writes(wire::PrepareSnapshotReply& snapshot, const std::string& upper, const std::string& work);

}  // namespace sandboxd::containerd
