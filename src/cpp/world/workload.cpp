#include "world/workload.hpp"

#include <algorithm>
#include <iterator>

namespace sandboxd::world {
namespace {

constexpr std::uint64_t kAskNodePermille = 250;  // of the wishes about a sandbox that is there

// Most go on until they are ended; some jobs end well or badly by themselves, or cannot start.
void draw_command(Random& random, const Workload& load, model::Container& container) {
  constexpr std::uint64_t kEndings = 170;  // what the kinds below add up to
  const std::uint64_t drawn = random.below(1000);
  const auto ending = static_cast<std::uint64_t>(load.ending_permille);
  if (drawn >= ending) return;
  const std::uint64_t dice = drawn * kEndings / ending;
  std::vector<std::string> args;
  if (dice < 80) {
    args = {"sleep", std::to_string(random.below(10))};
  } else if (dice < 120) {
    args = {"sh", "-c", "sleep " + std::to_string(random.below(10)) + "; exit " + std::to_string(random.below(3))};
  } else if (dice < 140) {
    args = {"dd"};
  } else if (dice < 155) {
    args = {"/no/such/program"};
  } else {
    container.image = "local/missing:1";
  }
  if (args.empty()) return;
  container.command_kind = model::CommandKind::given;
  container.args = std::move(args);
}

std::int64_t draw_step(Random& random, int steps) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(std::max(steps, 1))));
}

model::SandboxSpec draw_spec(Random& random, const Workload& load) {
  model::SandboxSpec spec;
  const auto pairs = static_cast<std::uint64_t>(load.pair_permille);
  for (std::uint64_t n = random.chance(pairs) ? 2 : 1; n > 0; --n) {
    model::Container container;
    container.name = "app" + std::to_string(n);
    container.image = kWorkloadImage;
    model::ContainerResources& resources = container.resources;
    resources.request_cpu_milli = 100 + draw_step(random, load.cpu_milli_max / 100) * 100;
    resources.request_memory_bytes = (std::int64_t{64} << 20) * (1 + draw_step(random, load.memory_mib_max / 64));
    resources.limit_cpu_milli = {resources.request_cpu_milli, std::to_string(resources.request_cpu_milli) + "m"};
    resources.limit_memory_bytes = {resources.request_memory_bytes, std::to_string(resources.request_memory_bytes)};
    draw_command(random, load, container);
    spec.containers.push_back(std::move(container));
  }
  for (std::int64_t n = draw_step(random, load.ports_max + 1); n > 0; --n) {
    model::PortSpec port;
    port.container_port = static_cast<int>(8000 + n);
    spec.ports.push_back(port);
  }
  if (random.chance(static_cast<std::uint64_t>(load.ttl_permille)))
    spec.ttl_seconds = 1 + static_cast<std::int64_t>(random.below(20));
  const auto selecting = static_cast<std::uint64_t>(load.selector_permille);
  if (random.chance(selecting)) spec.node_selector["zone"] = random.chance(500) ? "a" : "b";
  if (random.chance(selecting / 10)) spec.node_selector["zone"] = "nowhere";
  if (load.restart_permille > 0 && random.chance(static_cast<std::uint64_t>(load.restart_permille)))
    spec.restart_policy = random.chance(500) ? model::RestartPolicy::always : model::RestartPolicy::on_failure;
  if (spec.ttl_seconds > 0 && random.chance(300)) spec.on_expiry = model::OnExpiry::stop;
  return spec;
}

struct Client {
  Cluster& cluster;
  std::uint64_t number;
  Random random;
  std::uint64_t created = 0;
  std::vector<SandboxId> live;
  std::vector<SandboxId> past;  // deleted ones, whose ids may be used again
};

// What was just acknowledged: nothing but a time to live could have taken it away again.
bool is_durable(const Cluster& cluster, const model::Sandbox& sandbox) {
  const auto& stored = cluster.disk->durable().sandboxes;
  const auto found = stored.find(sandbox.id);
  return sandbox.spec.ttl_seconds > 0 || (found != stored.end() && found->second.uid == sandbox.uid);
}

Task<void> create(Client& client, std::shared_ptr<ControlPlane> plane) {
  orch::CreateSandbox request;
  if (!client.past.empty() && client.random.chance(200)) {
    request.id = client.past.back();
    client.past.pop_back();
  } else {
    request.id = SandboxId("c" + std::to_string(client.number) + "-" + std::to_string(client.created++));
  }
  request.spec = draw_spec(client.random, client.cluster.options.load);
  request.dialect = "sandboxd_o";
  const SandboxId id = request.id;
  const bool may_expire = request.spec.ttl_seconds > 0;
  auto answer = co_await plane->service->create(std::move(request));
  if (plane->dead || !answer) {
    client.cluster.note("create " + id.str() + (plane->dead ? " unanswered" : " refused"));
    co_return;
  }
  Cluster& cluster = client.cluster;
  if ((*answer)->phase != model::Phase::pending) cluster.violate("create of " + id.str() + " is not answered pending");
  if (!is_durable(cluster, **answer)) cluster.violate("create of " + id.str() + " was acknowledged, but not stored");
  ++cluster.stats.creates_acknowledged;
  LedgerEntry entry;
  entry.uid = (*answer)->uid;
  entry.may_expire = may_expire;
  cluster.ledger[id] = entry;
  client.live.push_back(id);
  cluster.note("create " + id.str() + " acknowledged");
}

Task<void> remove(Client& client, std::shared_ptr<ControlPlane> plane) {
  const std::size_t at = client.random.below(client.live.size());
  const SandboxId id = client.live[at];
  client.cluster.ledger[id].delete_sent = true;
  auto answer = co_await plane->service->remove(id);
  if (plane->dead) co_return;
  const bool was_gone = !answer && answer.error().code() == ErrorCode::not_found;
  if (!answer && !was_gone) co_return;
  LedgerEntry& entry = client.cluster.ledger[id];
  if (!entry.delete_acknowledged) ++client.cluster.stats.deletes_acknowledged;
  entry.delete_acknowledged = true;
  client.live.erase(client.live.begin() + static_cast<std::ptrdiff_t>(at));
  client.past.push_back(id);
  client.cluster.note("delete " + id.str() + " acknowledged");
}

// Creating an id that is there must be refused.
Task<void> create_again(Client& client, std::shared_ptr<ControlPlane> plane) {
  orch::CreateSandbox request;
  request.id = client.live[client.random.below(client.live.size())];
  request.spec = draw_spec(client.random, client.cluster.options.load);
  const SandboxId id = request.id;
  const LedgerEntry entry = client.cluster.ledger[id];
  if (entry.may_expire || entry.delete_sent) co_return;
  auto answer = co_await plane->service->create(std::move(request));
  if (!plane->dead && answer) client.cluster.violate("sandbox " + id.str() + " was created twice");
}

constexpr ports::LifeVerb kVerbs[] = {ports::LifeVerb::pause, ports::LifeVerb::resume, ports::LifeVerb::stop,
                                      ports::LifeVerb::start};

// Of the node itself, past the control plane.
Task<void> ask_node(Client& client, orch::SandboxRef sandbox) {
  const auto& nodes = client.cluster.nodes;
  const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const auto& one) { return one.id == sandbox->node; });
  const ports::LifeVerb verb = kVerbs[client.random.below(std::size(kVerbs))];
  if (found == nodes.end() || !found->is_up()) co_return;
  const std::shared_ptr<sim::SimNodeServer> server = found->machine ? found->machine->server() : found->light;
  if (verb == ports::LifeVerb::start) client.cluster.ledger[sandbox->id].node_was_asked = true;
  const auto answer = co_await server->change_life(sandbox->id, sandbox->uid, verb, 0);
  if (!answer) co_return;
  const std::string what(ports::to_string(verb));
  client.cluster.note(what + " " + sandbox->id.str() + " acknowledged by its node");
}

// A pause, a stop and so on of one of its own. What may be asked is the service's to say.
Task<void> change_life(Client& client, std::shared_ptr<ControlPlane> plane) {
  const SandboxId id = client.live[client.random.below(client.live.size())];
  orch::SandboxService& service = *plane->service;
  const auto known = co_await service.get(id);
  // One that never ran may begin again as another life, which is not what the ledger knows.
  if (plane->dead || !known || !(*known)->running_since) co_return;
  if (client.random.chance(kAskNodePermille)) co_return co_await ask_node(client, *known);
  Result<orch::SandboxRef> answer = Error();
  const char* what = "";
  switch (client.random.below(5)) {
    case 0: what = "pause", answer = co_await service.pause(id); break;
    case 1: what = "resume", answer = co_await service.resume(id); break;
    case 2: what = "stop", answer = co_await service.stop(id); break;
    case 3: what = "start", answer = co_await service.start(id); break;
    default: what = "restart", answer = co_await service.restart(id); break;
  }
  if (plane->dead || !answer) co_return;
  client.cluster.note(std::string(what) + " " + id.str() + " acknowledged");
}

Task<void> cordon(Client& client, std::shared_ptr<ControlPlane> plane) {
  const auto& node = client.cluster.nodes[client.random.below(client.cluster.nodes.size())];
  orch::PatchNode patch;
  patch.unschedulable = client.random.chance(static_cast<std::uint64_t>(client.cluster.options.load.cordon_permille));
  const auto answer = co_await plane->service->patch_node(node.id, std::move(patch));
  static_cast<void>(answer);
}

}  // namespace

Task<void> run_client(Cluster& cluster, std::uint64_t number) {
  const Workload& load = cluster.options.load;
  Client client{cluster, number, Random(cluster.seed * 97 + number), 0, {}, {}};
  const auto spread = static_cast<std::uint64_t>((load.pause_max - load.pause_min).count()) + 1;
  while (!cluster.quiet) {
    const Duration pause = load.pause_min + Duration(static_cast<std::int64_t>(client.random.below(spread)));
    co_await cluster.clock.sleep_for(pause);
    const auto plane = cluster.plane;
    if (!plane || !plane->serving || cluster.quiet) continue;
    const std::uint64_t dice = client.random.below(100);
    const bool has_room = client.live.size() < static_cast<std::size_t>(load.live_max);
    if (client.live.empty() || (dice < 55 && has_room)) {
      co_await create(client, plane);
    } else if (load.life_permille > 0 && client.random.chance(static_cast<std::uint64_t>(load.life_permille))) {
      co_await change_life(client, plane);
    } else if (dice < 90) {
      co_await remove(client, plane);
    } else if (dice < 97) {
      co_await create_again(client, plane);
    } else {
      co_await cordon(client, plane);
    }
  }
}

}  // namespace sandboxd::world
