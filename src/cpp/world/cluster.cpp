#include "world/cluster.hpp"

#include "world/observer.hpp"

namespace sandboxd::world {

Cluster::Cluster(std::uint64_t world_seed, const WorldOptions& options)
    : seed(world_seed),
      clock(context.get_executor()),
      transport(context.get_executor(), clock, world_seed * 7 + 1),
      tasks(context.get_executor()),
      deaths(context.get_executor()) {
  Random random(seed);
  config.sandbox_op_timeout = std::chrono::seconds(10);
  config.place_deadline = std::chrono::seconds(20);
  config.place_or_fail = random.chance(800) ? "queue" : "fail";
  // A narrow range, so that ports run out and come back.
  config.host_port_min = 10000;
  config.host_port_max = 10000 + static_cast<std::int64_t>(random.below(60));
  disk->faults.delay = std::chrono::microseconds(400);
  if (options.faults) {
    transport.options.loss_permille = random.below(30);
    transport.options.duplicate_permille = random.below(30);
    transport.options.delay_spread = std::chrono::milliseconds(1 + random.below(60));
  }
  const std::uint64_t count = options.nodes > 0 ? static_cast<std::uint64_t>(options.nodes) : 1 + random.below(8);
  for (std::uint64_t n = 0; n < count; ++n) {
    SimulatedNode node;
    node.id = NodeId("node-" + std::to_string(n));
    node.address.ip = "10.0.0.1";
    node.address.port = static_cast<int>(1000 + n);
    node.labels["zone"] = random.chance(500) ? "a" : "b";
    MachineOptions machine;
    machine.cpu_milli = 1000 + static_cast<std::int64_t>(random.below(8)) * 1000;
    machine.memory_bytes = (std::int64_t{1} << 30) * (1 + static_cast<std::int64_t>(random.below(8)));
    machine.slot_pool_size = 1 + static_cast<std::int64_t>(random.below(4));
    node.machine = std::make_shared<Machine>(context.get_executor(), clock, seed * 31 + n, machine);
    node.machine->on_error = [this](const Error& error) { violate("an agent does not start: " + error.message()); };
    node.machine->on_step = [this, name = node.id.str()](std::string_view step, const SandboxId& sandbox) {
      trace.mix(clock.mono_now(), name + " " + std::string(step) + " " + sandbox.str());
    };
    nodes.push_back(std::move(node));
  }
}

void Cluster::violate(const std::string& what) {
  note("VIOLATION " + what);
  if (violations.size() < 50) violations.push_back(what);
}

void Cluster::start_node(SimulatedNode& node) {
  if (node.machine->is_up()) return;
  note("start " + node.id.str());
  node.machine->start();
  if (node.machine->is_up()) transport.attach(node.address.port, node.machine->server());
}

void Cluster::crash_node(SimulatedNode& node) {
  if (!node.machine->is_up()) return;
  note("crash " + node.id.str());
  node.machine->crash();
  transport.detach(node.address.port);
}

void Cluster::start_control_plane() {
  if (plane) return;
  auto opened = sim::SimStore::open(disk, clock);
  if (!opened) return violate("the store does not open: " + opened.error().message());
  auto next = std::make_shared<ControlPlane>();
  next->store = *std::move(opened);
  ++stats.control_plane_lives;
  const std::uint64_t life_seed = seed * 1000 + stats.control_plane_lives;
  next->engine =
      std::make_unique<orch::Engine>(context.get_executor(), *next->store, transport, clock, config, life_seed);
  next->service = std::make_unique<orch::SandboxService>(*next->engine, transport, clock);
  plane = next;
  note("control plane starts");
  tasks.spawn("control plane", live(*this, next));
}

Task<void> Cluster::live(Cluster& cluster, std::shared_ptr<ControlPlane> plane) {
  auto started = co_await plane->engine->start();
  if (!started) {
    if (!plane->dead) cluster.violate("the control plane does not start: " + started.error().message());
    co_return;
  }
  if (plane->dead) co_return;
  plane->serving = true;
  cluster.tasks.spawn("observer", observe(cluster, plane));
  for (const SimulatedNode& node : cluster.nodes) {
    orch::UpsertNode request;
    request.id = node.id;
    request.address = node.address;
    request.labels = node.labels;
    const auto registered = co_await plane->service->upsert_node(std::move(request), Duration::zero());
    if (plane->dead) co_return;
    if (!registered) cluster.note("registering failed: " + registered.error().message());
  }
}

void Cluster::crash_control_plane(bool power_loss) {
  if (!plane) return;
  const auto dying = std::exchange(plane, nullptr);
  dying->dead = true;
  dying->serving = false;
  note(power_loss ? "power loss" : "control plane is killed");
  // Either way the dying process gets no answer any more; a mere kill leaves to the system what was written.
  disk->crash(power_loss ? 0 : disk->unsynced());
  deaths.spawn("death", die(*this, dying));
}

Task<void> Cluster::die(Cluster&, std::shared_ptr<ControlPlane> plane) { co_await plane->engine->stop(); }

}  // namespace sandboxd::world
