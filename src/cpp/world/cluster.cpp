#include "world/cluster.hpp"

#include "world/door.hpp"
#include "world/observer.hpp"
#include "world/workload.hpp"

namespace sandboxd::world {

std::vector<model::NodeSandbox> SimulatedNode::records() const {
  if (machine) return machine->records();
  std::vector<model::NodeSandbox> out;
  out.reserve(light->machine.size());
  for (const auto& [sandbox_id, sandbox] : light->machine) out.push_back(sandbox);
  return out;
}

Cluster::Cluster(std::uint64_t world_seed, WorldOptions world_options)
    : seed(world_seed),
      options(std::move(world_options)),
      clock(context.get_executor()),
      began(clock.mono_now()),
      transport(context.get_executor(), clock, world_seed * 7 + 1),
      live([this](const std::string& what) { violate(what); }, ledger),
      tasks(context.get_executor()),
      deaths(context.get_executor()) {
  Random random(seed);
  config.sandbox_op_timeout = std::chrono::seconds(10);
  config.place_deadline = std::chrono::seconds(20);
  config.place_or_fail = random.chance(800) ? "queue" : "fail";
  // A narrow range, so that ports run out and come back.
  config.host_port_min = 10000;
  config.host_port_max = 10000 + static_cast<std::int64_t>(random.below(60));
  if (!options.policy.empty()) config.scheduler_policy = options.policy;
  disk->faults.delay = kStoreDelay;
  const std::uint64_t count = 1 + random.below(8);
  const std::uint64_t wanted = options.nodes > 0 ? static_cast<std::uint64_t>(options.nodes) : count;
  for (std::uint64_t n = 0; n < wanted; ++n) add_node(n, random);
  if (options.plan)
    set_weather(climate = options.plan->weather);
  else if (options.faults)
    set_weather(climate = FaultDrawer(seed, nodes.size(), !options.light_nodes).weather());
  if (options.wrap_transport) wrapped = options.wrap_transport(transport);
}

void Cluster::add_node(std::uint64_t number, Random& random) {
  SimulatedNode node;
  node.id = NodeId("node-" + std::to_string(number));
  node.address.ip = "10.0.0.1";
  node.address.port = static_cast<int>(1000 + number);
  node.labels["zone"] = random.chance(500) ? "a" : "b";
  node.capacity.cpu_milli = 1000 + static_cast<std::int64_t>(random.below(8)) * 1000;
  node.capacity.memory_bytes = (std::int64_t{1} << 30) * (1 + static_cast<std::int64_t>(random.below(8)));
  node.capacity.slot_pool_size = 1 + static_cast<std::int64_t>(random.below(4));
  live.set_capacity(node.id, node.capacity.cpu_milli, node.capacity.memory_bytes);
  if (options.light_nodes) {
    ModelNodeOptions light;
    light.cpu_milli = node.capacity.cpu_milli;
    light.memory_bytes = node.capacity.memory_bytes;
    node.light = std::make_shared<ModelNode>(context.get_executor(), clock, seed * 31 + number, light);
  } else {
    node.machine = make_machine(node, number);
  }
  nodes.push_back(std::move(node));
}

std::shared_ptr<Machine> Cluster::make_machine(const SimulatedNode& node, std::uint64_t number) {
  auto machine = std::make_shared<Machine>(context.get_executor(), clock, seed * 31 + number, node.capacity);
  if (options.images_ready) machine->hardware().runtime->images.local.insert(kWorkloadImageNormal);
  machine->on_error = [this](const Error& error) { violate("an agent does not start: " + error.message()); };
  machine->on_step = [this, name = node.id.str()](std::string_view step, const SandboxId& sandbox) {
    trace.mix(clock.mono_now(), name + " " + std::string(step) + " " + sandbox.str());
  };
  return machine;
}

SimulatedNode& Cluster::node_at(std::int64_t number) { return nodes[static_cast<std::size_t>(number) % nodes.size()]; }

void Cluster::set_weather(const Weather& weather) {
  transport.options.loss_permille = weather.loss_permille;
  transport.options.duplicate_permille = weather.double_permille;
  transport.options.late_permille = weather.late_permille;
  transport.options.delay_spread = weather.delay_spread;
}

void Cluster::violate(const std::string& what) {
  note("VIOLATION " + what);
  if (violations.size() < 50) violations.push_back(what);
}

void Cluster::start_node(SimulatedNode& node) {
  if (node.is_up()) return;
  note("start " + node.id.str());
  if (node.light) {
    node.light->start();
  } else {
    node.machine->start();
    if (!node.machine->is_up()) return;
  }
  const std::shared_ptr<sim::SimNodeServer> server = node.light ? node.light : node.machine->server();
  transport.attach(node.address.port, guard(*this, node.id, server));
}

void Cluster::crash_node(SimulatedNode& node) {
  if (!node.is_up()) return;
  note("crash " + node.id.str());
  if (node.light) {
    node.light->crash();
  } else {
    node.machine->crash();
  }
  transport.detach(node.address.port);
}

void Cluster::start_control_plane() {
  if (plane) return;
  auto opened = sim::SimStore::open(disk, clock);
  if (!opened) return violate("the store does not open: " + opened.error().message());
  auto next = std::make_shared<ControlPlane>();
  next->store = *std::move(opened);
  if (options.wrap_store) next->store = options.wrap_store(std::move(next->store));
  ports::NodeTransport& network = wrapped ? *wrapped : transport;
  ++stats.control_plane_lives;
  const std::uint64_t life_seed = seed * 1000 + stats.control_plane_lives;
  next->engine =
      std::make_unique<orch::Engine>(context.get_executor(), *next->store, network, clock, config, life_seed);
  next->service = std::make_unique<orch::SandboxService>(*next->engine, network, clock);
  plane = next;
  note("control plane starts");
  tasks.spawn("control plane", live_on(*this, next));
}

Task<void> Cluster::live_on(Cluster& cluster, std::shared_ptr<ControlPlane> plane) {
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

void Cluster::crash_control_plane(std::size_t kept) {
  if (!plane) return;
  const auto dying = std::exchange(plane, nullptr);
  dying->dead = true;
  dying->serving = false;
  note("control plane is killed; of " + std::to_string(disk->unsynced()) + " writes stay " + std::to_string(kept));
  // Either way the dying process gets no answer any more.
  disk->crash(kept);
  deaths.spawn("death", die(*this, dying));
}

Task<void> Cluster::die(Cluster&, std::shared_ptr<ControlPlane> plane) { co_await plane->engine->stop(); }

}  // namespace sandboxd::world
