#include "world/fault_plan.hpp"

#include "world/faults.hpp"

namespace sandboxd::world {
namespace {

constexpr std::int64_t kDetailMax = 1'000'000;

const FaultKind& draw_kind(Random& random, bool production_agents) {
  const auto may_be = [&](const FaultKind& kind) { return production_agents || !kind.needs_agent; };
  std::uint64_t sum = 0;
  for (const FaultKind& kind : fault_kinds()) sum += may_be(kind) ? kind.weight : 0;
  std::uint64_t at = random.below(sum);
  for (const FaultKind& kind : fault_kinds()) {
    const std::uint64_t weight = may_be(kind) ? kind.weight : 0;
    if (at < weight) return kind;
    at -= weight;
  }
  return fault_kinds().front();
}

}  // namespace

FaultDrawer::FaultDrawer(std::uint64_t seed, std::size_t nodes, bool production_agents)
    : random_(seed * 13 + 5), nodes_(nodes), production_agents_(production_agents) {
  weather_.loss_permille = random_.below(30);
  weather_.double_permille = random_.below(30);
  weather_.late_permille = random_.below(10);
  weather_.delay_spread = std::chrono::milliseconds(1 + random_.below(60));
  pause_ms_ = 200 + random_.below(5000);
}

PlannedFault FaultDrawer::next() {
  at_ += std::chrono::milliseconds(1 + random_.below(pause_ms_));
  const FaultKind& kind = draw_kind(random_, production_agents_);
  PlannedFault fault = draw_fault(kind, random_, nodes_);
  fault.at = at_;
  return fault;
}

FaultPlan draw_plan(std::uint64_t seed, std::size_t nodes, bool production_agents, Duration length) {
  FaultDrawer drawer(seed, nodes, production_agents);
  FaultPlan plan;
  plan.weather = drawer.weather();
  for (PlannedFault fault = drawer.next(); fault.at <= length; fault = drawer.next()) {
    plan.faults.push_back(std::move(fault));
  }
  return plan;
}

PlannedFault draw_fault(const FaultKind& kind, Random& random, std::size_t nodes) {
  PlannedFault fault;
  fault.kind = kind.name;
  if (kind.on_node) fault.node = static_cast<std::int64_t>(random.below(nodes));
  if (kind.longest_ms > 0) fault.lasts = std::chrono::milliseconds(10 + random.below(kind.longest_ms));
  fault.detail = static_cast<std::int64_t>(random.below(kDetailMax));
  return fault;
}

}  // namespace sandboxd::world
