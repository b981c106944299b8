#include "world/world.hpp"

#include "base/log.hpp"
#include "world/checkers.hpp"
#include "world/cluster.hpp"
#include "world/fault_plan.hpp"
#include "world/workload.hpp"

namespace sandboxd::world {
namespace {

constexpr Duration kCheckEvery = std::chrono::milliseconds(500);
// Longer than every pause, deadline and time limit of the system, one after another.
constexpr Duration kSettleTime = std::chrono::seconds(90);
constexpr int kStepsToStop = 1'000'000;

MachineView look_at(const Machine& machine) {
  MachineView out;
  out.is_up = machine.is_up();
  out.believed = machine.believed();
  out.network = *machine.hardware().network;
  out.pool_size = static_cast<std::size_t>(machine.options().slot_pool_size);
  for (const auto& [key, container] : machine.hardware().runtime->containers) {
    out.containers[key] = container.found.task == ports::FoundContainer::Task::running;
  }
  for (const auto& [key, lines] : machine.hardware().output->logs) out.outputs.insert(key.first);
  return out;
}

}  // namespace

class World::Impl {
 public:
  Impl(std::uint64_t seed, const WorldOptions& options) : cluster(seed, options), faults(seed * 3 + 11) {
    const LogGuard guard(cluster);
    for (SimulatedNode& node : cluster.nodes) cluster.start_node(node);
    cluster.start_control_plane();
    Random random(seed + 1);
    const std::uint64_t drawn = 1 + random.below(6);
    const std::uint64_t clients = options.clients > 0 ? static_cast<std::uint64_t>(options.clients) : drawn;
    for (std::uint64_t n = 0; options.workload && n < clients; ++n) {
      cluster.tasks.spawn("client", run_client(cluster, n));
    }
    if (options.faults) cluster.tasks.spawn("faults", break_things(cluster));
    next_check = cluster.clock.mono_now() + kCheckEvery;
  }

  ~Impl() {
    const LogGuard guard(cluster);
    cluster.quiet = true;
    cluster.disk->faults = {};
    bool done = false;
    aio::TaskGroup closing(cluster.context.get_executor());
    closing.spawn("close", close(cluster, done));
    for (int steps = 0; !done && steps < kStepsToStop; ++steps) {
      poll();
      if (!done && !cluster.clock.fire_next()) break;
    }
    poll();
  }

  void run_until(MonoTime end) {
    const LogGuard guard(cluster);
    poll();
    for (;;) {
      const auto next = cluster.clock.next_deadline();
      if (!next || *next > end) break;
      advance();
    }
    cluster.clock.advance_to(end);
    check_now();
  }

  bool step() {
    const LogGuard guard(cluster);
    poll();
    if (!cluster.clock.next_deadline()) return false;
    advance();
    return true;
  }

  View view();

  // An error in the log is a defect: it asks for a human.
  class LogGuard {
   public:
    explicit LogGuard(Cluster& cluster) {
      set_log_observer([&cluster](const LogRecord& record) {
        if (record.level == LogLevel::error) cluster.violate("logged: " + std::string(record.line));
      });
    }
    ~LogGuard() { set_log_observer({}); }
  };

  Cluster cluster;
  Random faults;
  MonoTime next_check;
  bool settled = false;

 private:
  void poll() {
    cluster.context.restart();
    while (cluster.context.poll() > 0) cluster.context.restart();
  }

  void advance() {
    cluster.clock.fire_next();
    ++cluster.stats.events;
    poll();
    if (cluster.clock.mono_now() < next_check) return;
    next_check = cluster.clock.mono_now() + kCheckEvery;
    check_now();
  }

  void check_now() {
    for (const std::string& problem : check_all(view())) cluster.violate(problem);
  }

  static Task<void> close(Cluster& cluster, bool& done) {
    cluster.crash_control_plane(false);
    cluster.transport.cancel();
    cluster.tasks.cancel();
    for (SimulatedNode& node : cluster.nodes) cluster.crash_node(node);
    co_await cluster.tasks.join();
    co_await cluster.deaths.join();
    co_await cluster.transport.join();
    for (SimulatedNode& node : cluster.nodes) co_await node.machine->stop();
    done = true;
  }
};

View World::Impl::view() {
  View out;
  const auto plane = cluster.plane;
  out.is_up = plane && plane->serving;
  out.is_settled = settled;
  out.ledger = cluster.ledger;
  const sim::StoreState& disk = cluster.disk->durable();
  for (const auto& [id, sandbox] : disk.sandboxes) out.durable.sandboxes.push_back(sandbox);
  for (const auto& [id, node] : disk.nodes) out.durable.nodes.push_back(node);
  out.durable.revision = disk.revision;
  for (const SimulatedNode& node : cluster.nodes) {
    out.capacities[node.id] = node.machine->options();
    out.machines[node.id] = node.machine->records();
    out.hardware[node.id] = look_at(*node.machine);
  }
  if (!out.is_up) return out;
  orch::Engine& engine = *plane->engine;
  out.is_idle = engine.is_idle();
  out.revision = engine.state().revision();
  for (const auto& [id, sandbox] : engine.state().sandboxes()) {
    out.sandboxes.push_back(*sandbox);
    if (!out.is_idle || sandbox->phase != model::Phase::pending) continue;
    auto lines = engine.decisions().explain(id);
    if (lines) out.refusals[id] = *std::move(lines);
  }
  for (const auto& [id, node] : engine.state().nodes()) out.nodes.push_back(*node);
  return out;
}

World::World(std::uint64_t seed, WorldOptions options) : impl_(std::make_unique<Impl>(seed, options)) {}
World::~World() = default;

void World::run_for(Duration duration) { impl_->run_until(impl_->cluster.clock.mono_now() + duration); }

bool World::step() { return impl_->step(); }

Result<void> World::inject(const std::string& name) {
  const Impl::LogGuard guard(impl_->cluster);
  return inject_fault(impl_->cluster, impl_->faults, name);
}

void World::settle() {
  {
    const Impl::LogGuard guard(impl_->cluster);
    impl_->cluster.quiet = true;
    heal(impl_->cluster);
  }
  run_for(kSettleTime);
  impl_->settled = true;
}

std::vector<std::string> World::check() {
  std::vector<std::string> problems = impl_->cluster.violations;
  for (std::string& problem : check_all(impl_->view())) problems.push_back(std::move(problem));
  return problems;
}

std::uint64_t World::trace_hash() const { return impl_->cluster.trace.hash(); }
std::vector<std::string> World::trace_tail() const { return impl_->cluster.trace.tail(); }
std::uint64_t World::seed() const { return impl_->cluster.seed; }
WallTime World::now() const { return impl_->cluster.clock.wall_now(); }
View World::view() { return impl_->view(); }

WorldStats World::stats() const {
  WorldStats stats = impl_->cluster.stats;
  stats.messages_spoiled = impl_->cluster.transport.faults();
  const auto plane = impl_->cluster.plane;
  if (!plane || !plane->serving) return stats;
  for (const auto& [id, sandbox] : plane->engine->state().sandboxes()) {
    ++stats.sandboxes;
    if (sandbox->phase == model::Phase::running) ++stats.running;
  }
  return stats;
}

}  // namespace sandboxd::world
