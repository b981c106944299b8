// The network between the control plane and its nodes.
#include "world/faults.hpp"

#include <array>

namespace sandboxd::world {
namespace {

Task<void> mend_link(Cluster& cluster, int port, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.transport.cut(port, false, false);
  cluster.note("link mended " + std::to_string(port));
}

bool cut(Cluster& cluster, const PlannedFault& fault, bool to_node, bool from_node) {
  const int port = cluster.node_at(fault.node).address.port;
  cluster.transport.cut(port, to_node, from_node);
  cluster.note("link cut " + std::to_string(port) + (to_node ? " to" : "") + (from_node ? " from" : ""));
  cluster.tasks.spawn("mend", mend_link(cluster, port, fault.lasts));
  return true;
}

bool cut_link(Cluster& cluster, const PlannedFault& fault) { return cut(cluster, fault, true, true); }
bool cut_to_node(Cluster& cluster, const PlannedFault& fault) { return cut(cluster, fault, true, false); }
bool cut_from_node(Cluster& cluster, const PlannedFault& fault) { return cut(cluster, fault, false, true); }

Task<void> mend_partition(Cluster& cluster, std::vector<int> ports, Duration after) {
  co_await cluster.clock.sleep_for(after);
  for (const int port : ports) cluster.transport.cut(port, false, false);
  cluster.note("partition mended");
}

// About half of the nodes at once.
bool partition(Cluster& cluster, const PlannedFault& fault) {
  Random random(static_cast<std::uint64_t>(fault.detail));
  const std::uint64_t direction = random.below(4);  // mostly both
  std::vector<int> ports;
  for (const SimulatedNode& node : cluster.nodes) {
    if (!random.chance(500)) continue;
    ports.push_back(node.address.port);
    cluster.transport.cut(node.address.port, direction != 0, direction != 1);
  }
  if (ports.empty()) return false;
  cluster.note("partition of " + std::to_string(ports.size()) + " nodes");
  cluster.tasks.spawn("mend", mend_partition(cluster, std::move(ports), fault.lasts));
  return true;
}

bool break_streams(Cluster& cluster, const PlannedFault& fault) {
  const int port = cluster.node_at(fault.node).address.port;
  cluster.note("streams broken " + std::to_string(port));
  cluster.transport.break_streams(port);
  return true;
}

Task<void> flap(Cluster& cluster, int port, PlannedFault fault) {
  Random random(static_cast<std::uint64_t>(fault.detail));
  const MonoTime end = cluster.clock.mono_now() + fault.lasts;
  while (!cluster.quiet && cluster.clock.mono_now() < end) {
    cluster.transport.cut(port, true, true);
    const Duration off = std::chrono::milliseconds(20 + random.below(1500));
    co_await cluster.clock.sleep_for(off);
    cluster.transport.cut(port, false, false);
    const Duration on = std::chrono::milliseconds(20 + random.below(1500));
    co_await cluster.clock.sleep_for(on);
  }
}

bool flapping_link(Cluster& cluster, const PlannedFault& fault) {
  const int port = cluster.node_at(fault.node).address.port;
  cluster.note("link flaps " + std::to_string(port));
  cluster.tasks.spawn("flap", flap(cluster, port, fault));
  return true;
}

Task<void> hurry(Cluster& cluster, int port, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.transport.slow(port, {});
  cluster.note("node fast again " + std::to_string(port));
}

bool slow_node(Cluster& cluster, const PlannedFault& fault) {
  Random random(static_cast<std::uint64_t>(fault.detail));
  const int port = cluster.node_at(fault.node).address.port;
  cluster.transport.slow(port, std::chrono::milliseconds(100 + random.below(3000)));
  cluster.note("node slow " + std::to_string(port));
  cluster.tasks.spawn("slow", hurry(cluster, port, fault.lasts));
  return true;
}

Task<void> clear_up(Cluster& cluster, Duration after) {
  co_await cluster.clock.sleep_for(after);
  if (!cluster.quiet) cluster.set_weather(cluster.climate);
  cluster.note("network good again");
}

bool bad_weather(Cluster& cluster, const PlannedFault& fault) {
  Random random(static_cast<std::uint64_t>(fault.detail));
  Weather bad = cluster.climate;
  bad.loss_permille = random.below(300);
  bad.double_permille = random.below(300);
  bad.late_permille = random.below(200);
  cluster.note("network bad");
  cluster.set_weather(bad);
  cluster.tasks.spawn("weather", clear_up(cluster, fault.lasts));
  return true;
}

constexpr std::array<FaultKind, 8> kKinds{
    {{.name = "cut_link", .strike = cut_link, .weight = 4, .longest_ms = 25000, .on_node = true},
     {.name = "cut_to_node", .strike = cut_to_node, .weight = 4, .longest_ms = 25000, .on_node = true},
     {.name = "cut_from_node", .strike = cut_from_node, .weight = 4, .longest_ms = 25000, .on_node = true},
     {.name = "partition", .strike = partition, .weight = 3, .longest_ms = 25000},
     {.name = "break_streams", .strike = break_streams, .weight = 6, .on_node = true},
     {.name = "flapping_link", .strike = flapping_link, .weight = 4, .longest_ms = 15000, .on_node = true},
     {.name = "slow_node", .strike = slow_node, .weight = 4, .longest_ms = 15000, .on_node = true},
     {.name = "bad_weather", .strike = bad_weather, .weight = 4, .longest_ms = 10000}}};

}  // namespace

std::span<const FaultKind> network_faults() { return kKinds; }

}  // namespace sandboxd::world
