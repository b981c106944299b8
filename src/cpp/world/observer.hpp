// One watcher of one life of the control plane: hands what clients are told to the live checker, event by event.
#pragma once

#include "world/cluster.hpp"

#include <memory>

namespace sandboxd::world {

// Until that life ends.
[[nodiscard]] Task<void> observe(Cluster& cluster, std::shared_ptr<ControlPlane> plane);

}  // namespace sandboxd::world
