// One watcher of one life of the control plane: checks what clients are told, event by event.
#pragma once

#include "world/cluster.hpp"

#include <memory>

namespace sandboxd::world {

// Revisions without gaps, phases along the table, one life of an id at a time, and nothing below what was heard before.
[[nodiscard]] Task<void> observe(Cluster& cluster, std::shared_ptr<ControlPlane> plane);

}  // namespace sandboxd::world
