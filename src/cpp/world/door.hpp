// A node's face to the network, with somebody at the door who notes which creates arrive. One thread.
#pragma once

#include "world/cluster.hpp"

#include <memory>

namespace sandboxd::world {

// `cluster` outlives it.
[[nodiscard]] std::shared_ptr<sim::SimNodeServer> guard(Cluster& cluster, NodeId node,
                                                        std::shared_ptr<sim::SimNodeServer> server);

}  // namespace sandboxd::world
