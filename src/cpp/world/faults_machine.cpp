// Nodes: their agents, and the runtime, network and disk under production agents.
#include "world/faults.hpp"

#include <array>

namespace sandboxd::world {
namespace {

Random random_of(const PlannedFault& fault) { return Random(static_cast<std::uint64_t>(fault.detail)); }

Task<void> restart(Cluster& cluster, SimulatedNode& node, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.start_node(node);
}

bool crash_node(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  if (!node.is_up()) return false;
  cluster.crash_node(node);
  cluster.tasks.spawn("restart", restart(cluster, node, fault.lasts));
  return true;
}

Task<void> flap(Cluster& cluster, SimulatedNode& node, PlannedFault fault) {
  Random random = random_of(fault);
  const MonoTime end = cluster.clock.mono_now() + fault.lasts;
  while (!cluster.quiet && cluster.clock.mono_now() < end) {
    cluster.crash_node(node);
    const Duration down = std::chrono::milliseconds(5 + random.below(1000));
    co_await cluster.clock.sleep_for(down);
    cluster.start_node(node);
    const Duration up = std::chrono::milliseconds(5 + random.below(2000));
    co_await cluster.clock.sleep_for(up);
  }
  cluster.start_node(node);
}

bool flapping_node(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  if (!node.is_up()) return false;
  cluster.tasks.spawn("flap", flap(cluster, node, fault));
  return true;
}

bool crash_node_at_step(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  if (!node.is_up()) return false;
  cluster.note("crash planned " + node.id.str());
  node.machine->crash_at_step(1 + random_of(fault).below(40), [&cluster, &node, after = fault.lasts] {
    cluster.crash_node(node);
    cluster.tasks.spawn("restart", restart(cluster, node, after));
  });
  return true;
}

bool kill_container(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  cluster.note("container killed on " + node.id.str());
  if (node.light) return node.light->kill_one();
  Random random = random_of(fault);
  return node.machine->end_container(random.chance(300), random);
}

Task<void> start_runtime(Cluster& cluster, SimulatedNode& node, Duration after) {
  co_await cluster.clock.sleep_for(after);
  node.machine->hardware().runtime->down = false;
  cluster.note("runtime up on " + node.id.str());
}

bool stop_runtime(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  cluster.note("runtime down on " + node.id.str());
  node.machine->hardware().runtime->down = true;
  node.machine->hardware().runtime->break_events();
  cluster.tasks.spawn("runtime", start_runtime(cluster, node, fault.lasts));
  return true;
}

bool fail_runtime(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  cluster.note("runtime error on " + node.id.str());
  Random random = random_of(fault);
  node.machine->fail_runtime(random);
  return true;
}

bool break_events(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  cluster.note("runtime events broken on " + node.id.str());
  node.machine->hardware().runtime->break_events();
  return true;
}

bool fail_network(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  cluster.note("network error on " + node.id.str());
  Random random = random_of(fault);
  return node.machine->fail_network(random);
}

Task<void> make_room(Cluster& cluster, SimulatedNode& node, Duration after) {
  co_await cluster.clock.sleep_for(after);
  node.machine->hardware().disk->faults.full = false;
  cluster.note("disk has room on " + node.id.str());
}

bool fill_disk(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  cluster.note("disk full on " + node.id.str());
  node.machine->hardware().disk->faults.full = true;
  cluster.tasks.spawn("room", make_room(cluster, node, fault.lasts));
  return true;
}

bool fail_disk(Cluster& cluster, const PlannedFault& fault) {
  SimulatedNode& node = cluster.node_at(fault.node);
  cluster.note("disk error on " + node.id.str());
  Random random = random_of(fault);
  sim::DiskFaults& faults = node.machine->hardware().disk->faults;
  (random.chance(500) ? faults.fail_nth_write : faults.fail_nth_sync) = 1 + random.below(5);
  return true;
}

constexpr std::array<FaultKind, 10> kKinds{
    {{.name = "crash_node", .strike = crash_node, .weight = 8, .longest_ms = 8000, .on_node = true},
     {.name = "flapping_node", .strike = flapping_node, .weight = 3, .longest_ms = 8000, .on_node = true},
     {.name = "crash_node_at_step",
      .strike = crash_node_at_step,
      .weight = 8,
      .longest_ms = 8000,
      .on_node = true,
      .needs_agent = true},
     {.name = "kill_container", .strike = kill_container, .weight = 8, .on_node = true},
     {.name = "runtime_down",
      .strike = stop_runtime,
      .weight = 3,
      .longest_ms = 8000,
      .on_node = true,
      .needs_agent = true},
     {.name = "runtime_error", .strike = fail_runtime, .weight = 5, .on_node = true, .needs_agent = true},
     {.name = "runtime_events", .strike = break_events, .weight = 3, .on_node = true, .needs_agent = true},
     {.name = "network_error", .strike = fail_network, .weight = 5, .on_node = true, .needs_agent = true},
     {.name = "node_disk_full",
      .strike = fill_disk,
      .weight = 2,
      .longest_ms = 4000,
      .on_node = true,
      .needs_agent = true},
     {.name = "node_disk_error", .strike = fail_disk, .weight = 4, .on_node = true, .needs_agent = true}}};

}  // namespace

std::span<const FaultKind> machine_faults() { return kKinds; }

}  // namespace sandboxd::world
