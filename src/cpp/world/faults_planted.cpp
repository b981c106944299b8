// Wrong in a way that the system cannot know or mend.
#include "world/faults.hpp"

#include <algorithm>
#include <array>

namespace sandboxd::world {
namespace {

bool lose_sandbox(Cluster& cluster, const PlannedFault&) {
  return std::any_of(cluster.nodes.begin(), cluster.nodes.end(),
                     [](SimulatedNode& node) { return node.machine->lose_sandbox(); });
}

bool make_orphan(Cluster& cluster, const PlannedFault&) {
  model::NodeCreateRequest request;
  request.id = SandboxId("planted-orphan");
  request.uid = std::string(32, 'f');
  model::Container container;
  container.name = "app";
  container.image = "local/app:1";
  container.resources.limit_cpu_milli = {100, "100m"};
  container.resources.limit_memory_bytes = {1 << 20, "1Mi"};
  request.spec.containers.push_back(std::move(container));
  cluster.nodes.front().machine->create_directly(std::move(request));
  return true;
}

// Ports and addresses that belong to nobody, as after a clean-up that forgot them.
bool leak_slot(Cluster& cluster, const PlannedFault&) {
  sim::MemoryNetworkMachine& network = *cluster.nodes.front().machine->hardware().network;
  network.slots["sbx0-00000000"] = {"10.89.255.250", true, {}, {}};
  return true;
}

bool lie(Cluster& cluster, const PlannedFault&) {
  cluster.disk->faults.acknowledge_unsynced = true;
  return true;
}

constexpr std::array<FaultKind, 4> kKinds{{{.name = "plant_lost_sandbox", .strike = lose_sandbox, .needs_agent = true},
                                           {.name = "plant_orphan", .strike = make_orphan, .needs_agent = true},
                                           {.name = "plant_leaked_slot", .strike = leak_slot, .needs_agent = true},
                                           {.name = "plant_lying_disk", .strike = lie}}};

}  // namespace

std::span<const FaultKind> planted_faults() { return kKinds; }

}  // namespace sandboxd::world
