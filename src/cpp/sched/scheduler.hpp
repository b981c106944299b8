// The scheduler as a pure function of a snapshot.
#pragma once

#include "sched/cluster.hpp"

#include <cstddef>
#include <limits>

namespace sandboxd::sched {

// The nodes of `snapshot` with what is free on each, whoever has the rest.
[[nodiscard]] Cluster cluster_of(const Snapshot& snapshot, ClusterOptions options);

// The node with the best score among all that fit, the lowest id among equals; or, when none fits, why each was refused
// (at most `refusals_max` of them).
[[nodiscard]] Decision place(const Snapshot& snapshot, const Request& request,
                             const Policy& policy = built_in_policies().front(),
                             std::size_t refusals_max = std::numeric_limits<std::size_t>::max());

}  // namespace sandboxd::sched
