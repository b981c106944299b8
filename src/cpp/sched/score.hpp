// Soft rules: which of the possible nodes is best. Whole numbers from 0 to 100.
//
// A score says how free a node is, whatever is asked for: so nodes can be kept sorted by it, and a placement does not
// look at all of them. More room wins, as in the sandboxd-o orchestrator, which looks at CPU alone.
#pragma once

#include "sched/snapshot.hpp"

namespace sandboxd::sched {

inline constexpr int kScoreMax = 100;

[[nodiscard]] int score(const NodeView& node);

}  // namespace sandboxd::sched
