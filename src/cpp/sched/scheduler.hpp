// The scheduler as one pure function.
#pragma once

#include "sched/snapshot.hpp"

#include <cstddef>
#include <limits>

namespace sandboxd::sched {

// The node with the best score among those that fit, the lowest id among equals; or, when none fits, why each was
// refused (at most `refusals_max` of them). Looks at every node: the engine uses Cluster, which answers the same.
[[nodiscard]] Decision place(const Snapshot& snapshot, const Request& request,
                             std::size_t refusals_max = std::numeric_limits<std::size_t>::max());

}  // namespace sandboxd::sched
