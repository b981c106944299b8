// Clients of a simulated control plane: they create, delete and look, and remember what was acknowledged.
#pragma once

#include "world/cluster.hpp"

namespace sandboxd::world {

inline constexpr const char* kWorkloadImage = "local/app:1";
inline constexpr const char* kWorkloadImageNormal = "docker.io/local/app:1";  // as a runtime lists it

// Until the cluster is quiet or the group is cancelled. `number` tells the clients apart.
[[nodiscard]] Task<void> run_client(Cluster& cluster, std::uint64_t number);

}  // namespace sandboxd::world
