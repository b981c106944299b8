#include "world/faults.hpp"

#include <algorithm>
#include <array>

namespace sandboxd::world {
namespace {

std::vector<FaultKind> collect_kinds() {
  std::vector<FaultKind> all;
  for (const auto& some : {control_plane_faults(), network_faults(), machine_faults()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

const FaultKind* find_in(std::span<const FaultKind> kinds, std::string_view name) {
  const auto found = std::find_if(kinds.begin(), kinds.end(), [&](const FaultKind& kind) { return kind.name == name; });
  return found == kinds.end() ? nullptr : &*found;
}

Task<void> until(Cluster& cluster, const PlannedFault& fault) {
  co_await cluster.clock.sleep_until(cluster.began + fault.at);
}

}  // namespace

std::span<const FaultKind> fault_kinds() {
  static const std::vector<FaultKind> kKinds = collect_kinds();
  return kKinds;
}

const FaultKind* find_fault(std::string_view name) {
  const FaultKind* found = find_in(fault_kinds(), name);
  return found != nullptr ? found : find_in(planted_faults(), name);
}

void strike(Cluster& cluster, const PlannedFault& fault) {
  const FaultKind* const kind = find_fault(fault.kind);
  if (kind == nullptr || (kind->needs_agent && cluster.options.light_nodes)) return;
  cluster.struck.push_back(fault);
  if (!kind->strike(cluster, fault)) return;
  ++cluster.stats.faults;
  ++cluster.stats.faults_by_kind[fault.kind];
}

Task<void> break_things(Cluster& cluster) {
  if (cluster.options.plan) {
    for (const PlannedFault& fault : cluster.options.plan->faults) {
      co_await until(cluster, fault);
      if (cluster.quiet) co_return;
      strike(cluster, fault);
    }
    co_return;
  }
  FaultDrawer drawer(cluster.seed, cluster.nodes.size(), !cluster.options.light_nodes);
  while (!cluster.quiet) {
    const PlannedFault fault = drawer.next();
    co_await until(cluster, fault);
    if (cluster.quiet) co_return;
    strike(cluster, fault);
  }
}

Result<void> inject_fault(Cluster& cluster, Random& random, const std::string& name) {
  const FaultKind* const kind = find_fault(name);
  if (kind == nullptr) return Error(ErrorCode::invalid_argument, "unknown fault: " + name);
  if (kind->needs_agent && cluster.options.light_nodes) {
    return Error(ErrorCode::invalid_argument, name + " needs production agents: make the world without light nodes");
  }
  PlannedFault fault = draw_fault(*kind, random, cluster.nodes.size());
  fault.at = cluster.clock.mono_now() - cluster.began;
  strike(cluster, fault);
  return {};
}

void heal(Cluster& cluster) {
  cluster.note("everything is healed");
  cluster.set_weather(Weather());
  cluster.disk->faults.full = false;
  cluster.disk->faults.fail_nth_write = 0;
  cluster.disk->faults.fail_nth_sync = 0;
  cluster.disk->faults.delay = kStoreDelay;
  for (SimulatedNode& node : cluster.nodes) {
    cluster.transport.cut(node.address.port, false, false);
    cluster.transport.slow(node.address.port, {});
    if (node.machine) node.machine->heal();
    cluster.start_node(node);
  }
  cluster.start_control_plane();
}

}  // namespace sandboxd::world
