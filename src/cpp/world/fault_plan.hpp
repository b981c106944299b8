// What breaks, and when: drawn from the seed, or by name.
#pragma once

#include "base/result.hpp"
#include "world/cluster.hpp"

#include <string>

namespace sandboxd::world {

// Breaks things until the cluster is quiet.
[[nodiscard]] Task<void> break_things(Cluster& cluster);
// One fault now; what it broke is mended after a while, except for planted ones. Errors: invalid_argument.
[[nodiscard]] Result<void> inject_fault(Cluster& cluster, Random& random, const std::string& name);
// Everything works again.
void heal(Cluster& cluster);

}  // namespace sandboxd::world
