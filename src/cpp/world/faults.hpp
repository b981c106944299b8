// How each kind of fault strikes a cluster, and how it is mended.
#pragma once

#include "base/result.hpp"
#include "world/cluster.hpp"
#include "world/fault_plan.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sandboxd::world {

struct FaultKind {
  std::string_view name;
  // False: there was nothing to break.
  bool (*strike)(Cluster&, const PlannedFault&);
  std::uint64_t weight = 0;      // how often it is drawn; 0: only by name
  std::uint64_t longest_ms = 0;  // how long it may last; 0: nothing is mended later
  bool on_node = false;          // it breaks one node
  bool needs_agent = false;      // it breaks the machine under a production agent
};

// By file: who breaks.
[[nodiscard]] std::span<const FaultKind> control_plane_faults();
[[nodiscard]] std::span<const FaultKind> network_faults();
[[nodiscard]] std::span<const FaultKind> machine_faults();
// Wrong in a way that the system cannot know or mend: the checkers must see them. Never drawn.
[[nodiscard]] std::span<const FaultKind> planted_faults();

// All but the planted ones.
[[nodiscard]] std::span<const FaultKind> fault_kinds();
[[nodiscard]] const FaultKind* find_fault(std::string_view name);  // planted ones too; nullptr: unknown
[[nodiscard]] PlannedFault draw_fault(const FaultKind& kind, Random& random, std::size_t nodes);

// Does it now, and counts it. The kind is known.
void strike(Cluster& cluster, const PlannedFault& fault);
// Strikes what the plan says, or what is drawn, until the cluster is quiet.
[[nodiscard]] Task<void> break_things(Cluster& cluster);
// One fault now, drawn from `random`; what it broke is mended after a while, except for planted ones. Errors:
// invalid_argument.
[[nodiscard]] Result<void> inject_fault(Cluster& cluster, Random& random, const std::string& name);
// Everything works again.
void heal(Cluster& cluster);

}  // namespace sandboxd::world
