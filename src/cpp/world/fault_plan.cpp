#include "world/fault_plan.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace sandboxd::world {
namespace {

Duration draw(Random& random, int low_ms, int high_ms) {
  return std::chrono::milliseconds(low_ms +
                                   static_cast<int>(random.below(static_cast<std::uint64_t>(high_ms - low_ms))));
}

SimulatedNode& any_node(Cluster& cluster, Random& random) { return cluster.nodes[random.below(cluster.nodes.size())]; }

Task<void> restart_control_plane(Cluster& cluster, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.start_control_plane();
}

Task<void> restart_node(Cluster& cluster, SimulatedNode& node, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.start_node(node);
}

Task<void> mend_link(Cluster& cluster, int port, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.transport.cut(port, false, false);
  cluster.note("link mended");
}

Task<void> make_room(Cluster& cluster, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.disk->faults.full = false;
  cluster.note("disk has room");
}

Task<void> make_room_on(Cluster& cluster, SimulatedNode& node, Duration after) {
  co_await cluster.clock.sleep_for(after);
  node.machine->hardware().disk->faults.full = false;
  cluster.note("disk has room on " + node.id.str());
}

Task<void> start_runtime(Cluster& cluster, SimulatedNode& node, Duration after) {
  co_await cluster.clock.sleep_for(after);
  node.machine->hardware().runtime->down = false;
  cluster.note("runtime up on " + node.id.str());
}

void kill_control_plane(Cluster& cluster, Random& random) {
  cluster.crash_control_plane(false);
  cluster.tasks.spawn("restart", restart_control_plane(cluster, draw(random, 10, 3000)));
}

void lose_power(Cluster& cluster, Random& random) {
  cluster.crash_control_plane(true);
  cluster.tasks.spawn("restart", restart_control_plane(cluster, draw(random, 10, 3000)));
}

void kill_node(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  cluster.crash_node(node);
  cluster.tasks.spawn("restart", restart_node(cluster, node, draw(random, 10, 8000)));
}

void cut_link(Cluster& cluster, Random& random) {
  const int port = any_node(cluster, random).address.port;
  const std::uint64_t which = random.below(3);
  cluster.transport.cut(port, which != 0, which != 1);
  cluster.note("link cut " + std::to_string(port) + " " + std::to_string(which));
  cluster.tasks.spawn("mend", mend_link(cluster, port, draw(random, 100, 25000)));
}

void break_streams(Cluster& cluster, Random& random) {
  const int port = any_node(cluster, random).address.port;
  cluster.note("streams broken " + std::to_string(port));
  cluster.transport.break_streams(port);
}

void fill_disk(Cluster& cluster, Random& random) {
  cluster.disk->faults.full = true;
  cluster.note("disk full");
  cluster.tasks.spawn("room", make_room(cluster, draw(random, 50, 4000)));
}

void fail_disk(Cluster& cluster, Random& random) {
  cluster.note("disk error");
  (random.chance(500) ? cluster.disk->faults.fail_nth_write : cluster.disk->faults.fail_nth_sync) = 1 + random.below(5);
}

void kill_node_at_step(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  const Duration after = draw(random, 10, 8000);
  const std::uint64_t steps = 1 + random.below(40);
  cluster.note("crash planned " + node.id.str());
  node.machine->crash_at_step(steps, [&cluster, &node, after] {
    cluster.crash_node(node);
    cluster.tasks.spawn("restart", restart_node(cluster, node, after));
  });
}

void kill_container(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  cluster.note("container killed on " + node.id.str());
  node.machine->end_container(random.chance(300));
}

void stop_runtime(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  cluster.note("runtime down on " + node.id.str());
  node.machine->hardware().runtime->down = true;
  node.machine->hardware().runtime->break_events();
  cluster.tasks.spawn("runtime", start_runtime(cluster, node, draw(random, 50, 8000)));
}

void fail_runtime(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  cluster.note("runtime error on " + node.id.str());
  node.machine->fail_runtime();
}

void break_events(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  cluster.note("runtime events broken on " + node.id.str());
  node.machine->hardware().runtime->break_events();
}

void fail_network(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  cluster.note("network error on " + node.id.str());
  node.machine->fail_network();
}

void fill_node_disk(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  cluster.note("disk full on " + node.id.str());
  node.machine->hardware().disk->faults.full = true;
  cluster.tasks.spawn("room", make_room_on(cluster, node, draw(random, 50, 4000)));
}

void fail_node_disk(Cluster& cluster, Random& random) {
  SimulatedNode& node = any_node(cluster, random);
  cluster.note("disk error on " + node.id.str());
  sim::DiskFaults& faults = node.machine->hardware().disk->faults;
  (random.chance(500) ? faults.fail_nth_write : faults.fail_nth_sync) = 1 + random.below(5);
}

void jump_clock(Cluster& cluster, Random& random) {
  const Duration by = draw(random, 0, 4000) - Duration(std::chrono::seconds(2));
  cluster.note("wall clock jumps");
  cluster.clock.jump_wall(by);
}

// Planted: wrong in a way that the system cannot know or mend. The checkers must see them.
void plant_lost_sandbox(Cluster& cluster, Random&) {
  for (SimulatedNode& node : cluster.nodes) {
    if (node.machine->lose_sandbox()) return;
  }
}

void plant_orphan(Cluster& cluster, Random&) {
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
}

// Ports and addresses that belong to nobody, as after a clean-up that forgot them.
void plant_leaked_slot(Cluster& cluster, Random&) {
  sim::MemoryNetworkMachine& network = *cluster.nodes.front().machine->hardware().network;
  network.slots["sbx0-00000000"] = {"10.89.255.250", true, {}, {}};
}

void plant_lying_disk(Cluster& cluster, Random&) { cluster.disk->faults.acknowledge_unsynced = true; }

struct Fault {
  std::string_view name;
  void (*strike)(Cluster&, Random&);
  std::uint64_t weight;  // 0: only by name
};

constexpr std::array<Fault, 21> kFaults{{{"crash_control_plane", kill_control_plane, 6},
                                         {"power_loss", lose_power, 4},
                                         {"crash_node", kill_node, 8},
                                         {"crash_node_at_step", kill_node_at_step, 8},
                                         {"cut_link", cut_link, 8},
                                         {"break_streams", break_streams, 6},
                                         {"disk_full", fill_disk, 3},
                                         {"disk_error", fail_disk, 6},
                                         {"kill_container", kill_container, 8},
                                         {"runtime_down", stop_runtime, 3},
                                         {"runtime_error", fail_runtime, 5},
                                         {"runtime_events", break_events, 3},
                                         {"network_error", fail_network, 5},
                                         {"node_disk_full", fill_node_disk, 2},
                                         {"node_disk_error", fail_node_disk, 4},
                                         {"jump_clock", jump_clock, 2},
                                         {"plant_lost_sandbox", plant_lost_sandbox, 0},
                                         {"plant_orphan", plant_orphan, 0},
                                         {"plant_leaked_slot", plant_leaked_slot, 0},
                                         {"plant_lying_disk", plant_lying_disk, 0},
                                         {"none", [](Cluster&, Random&) {}, 0}}};

const Fault& draw_fault(Random& random) {
  std::uint64_t sum = 0;
  for (const Fault& fault : kFaults) sum += fault.weight;
  std::uint64_t at = random.below(sum);
  for (const Fault& fault : kFaults) {
    if (at < fault.weight) return fault;
    at -= fault.weight;
  }
  return kFaults.back();
}

}  // namespace

Task<void> break_things(Cluster& cluster) {
  Random random(cluster.seed * 13 + 5);
  // Some runs are rough, some mild.
  const int pause_ms = 200 + static_cast<int>(random.below(5000));
  while (!cluster.quiet) {
    const Duration pause = draw(random, 1, pause_ms);
    co_await cluster.clock.sleep_for(pause);
    if (cluster.quiet) co_return;
    const Fault& fault = draw_fault(random);
    ++cluster.stats.faults;
    fault.strike(cluster, random);
  }
}

Result<void> inject_fault(Cluster& cluster, Random& random, const std::string& name) {
  for (const Fault& fault : kFaults) {
    if (fault.name != name) continue;
    ++cluster.stats.faults;
    fault.strike(cluster, random);
    return {};
  }
  return Error(ErrorCode::invalid_argument, "unknown fault: " + name);
}

void heal(Cluster& cluster) {
  cluster.note("everything is healed");
  cluster.transport.options.loss_permille = 0;
  cluster.transport.options.duplicate_permille = 0;
  cluster.disk->faults.full = false;
  cluster.disk->faults.fail_nth_write = 0;
  cluster.disk->faults.fail_nth_sync = 0;
  for (SimulatedNode& node : cluster.nodes) {
    cluster.transport.cut(node.address.port, false, false);
    node.machine->heal();
    cluster.start_node(node);
  }
  cluster.start_control_plane();
}

}  // namespace sandboxd::world
