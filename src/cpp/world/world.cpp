#include "world/world.hpp"

#include "base/log.hpp"
#include "world/checkers.hpp"
#include "world/cluster.hpp"
#include "world/faults.hpp"
#include "world/workload.hpp"

#include <algorithm>
#include <numeric>

namespace sandboxd::world {
namespace {

// How often whole states are compared: it costs as much as there is.
constexpr Duration kCheckEvery = std::chrono::milliseconds(500);
constexpr Duration kCheckLargeEvery = std::chrono::seconds(30);
constexpr std::size_t kLarge = 100;      // nodes
constexpr std::size_t kAskedMax = 1000;  // of those who wait: why?
// Longer than every pause, deadline and time limit of the system, one after another.
constexpr Duration kSettleTime = std::chrono::seconds(90);
constexpr int kStepsToStop = 1'000'000;

Duration at_percent(const std::vector<Duration>& ordered, std::size_t percent) {
  if (ordered.empty()) return {};
  return ordered[std::min(ordered.size() - 1, ordered.size() * percent / 100)];
}

std::int64_t root(std::int64_t square) {
  std::int64_t low = 0;
  while ((low + 1) * (low + 1) <= square) ++low;
  return low;
}

void add_times(const LiveChecker& live, WorldStats& stats) {
  std::vector<Duration> times = live.running_times();
  std::sort(times.begin(), times.end());
  stats.running_p50 = at_percent(times, 50);
  stats.running_p95 = at_percent(times, 95);
  stats.running_max = at_percent(times, 100);
}

void add_use(const LiveChecker& live, WorldStats& stats) {
  const std::vector<std::int64_t> use = live.cpu_permille();
  if (use.empty()) return;
  const auto count = static_cast<std::int64_t>(use.size());
  stats.cpu_permille = std::accumulate(use.begin(), use.end(), std::int64_t{0}) / count;
  std::int64_t squares = 0;
  for (const std::int64_t one : use) squares += (one - stats.cpu_permille) * (one - stats.cpu_permille);
  stats.cpu_spread_permille = root(squares / count);
}

}  // namespace

class World::Impl {
 public:
  Impl(std::uint64_t seed, WorldOptions world_options)
      : cluster(seed, std::move(world_options)), faults(seed * 3 + 11) {
    const WorldOptions& options = cluster.options;
    const LogGuard guard(cluster);
    for (SimulatedNode& node : cluster.nodes) cluster.start_node(node);
    cluster.start_control_plane();
    Random random(seed + 1);
    const std::uint64_t drawn = 1 + random.below(6);
    const std::uint64_t clients = options.load.clients > 0 ? static_cast<std::uint64_t>(options.load.clients) : drawn;
    for (std::uint64_t n = 0; options.workload && n < clients; ++n) {
      cluster.tasks.spawn("client", run_client(cluster, n));
    }
    if (options.faults || options.plan) cluster.tasks.spawn("faults", break_things(cluster));
    next_check = cluster.clock.mono_now() + check_every();
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

  View view() { return look(cluster, settled, is_large() ? 1 : kAskedMax); }

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
  bool is_large() const { return cluster.nodes.size() >= kLarge; }
  Duration check_every() const { return is_large() ? kCheckLargeEvery : kCheckEvery; }

  void poll() {
    cluster.context.restart();
    while (cluster.context.poll() > 0) cluster.context.restart();
  }

  void advance() {
    cluster.clock.fire_next();
    ++cluster.stats.events;
    poll();
    if (cluster.clock.mono_now() < next_check) return;
    next_check = cluster.clock.mono_now() + check_every();
    check_now();
  }

  void check_now() {
    for (const std::string& problem : check_all(view())) cluster.violate(problem);
  }

  static Task<void> close(Cluster& cluster, bool& done) {
    cluster.crash_control_plane(cluster.disk->unsynced());
    cluster.transport.cancel();
    cluster.tasks.cancel();
    for (SimulatedNode& node : cluster.nodes) {
      cluster.crash_node(node);
      if (node.light) node.light->cancel();
    }
    co_await cluster.tasks.join();
    co_await cluster.deaths.join();
    co_await cluster.transport.join();
    for (SimulatedNode& node : cluster.nodes) {
      if (node.light) co_await node.light->join();
      if (node.machine) co_await node.machine->stop();
    }
    done = true;
  }
};

World::World(std::uint64_t seed, WorldOptions options) : impl_(std::make_unique<Impl>(seed, std::move(options))) {}
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

const WorldOptions& World::options() const { return impl_->cluster.options; }
Duration World::elapsed() const { return impl_->cluster.clock.mono_now() - impl_->cluster.began; }
FaultPlan World::plan() const { return {impl_->cluster.climate, impl_->cluster.struck}; }

WorldStats World::stats() const {
  const Cluster& cluster = impl_->cluster;
  WorldStats stats = cluster.stats;
  const sim::SimTransportCounts& spoiled = cluster.transport.counts();
  stats.messages_spoiled = spoiled.lost + spoiled.doubled + spoiled.late;
  if (spoiled.lost > 0) stats.faults_by_kind["message_lost"] = spoiled.lost;
  if (spoiled.doubled > 0) stats.faults_by_kind["message_doubled"] = spoiled.doubled;
  if (spoiled.late > 0) stats.faults_by_kind["message_late"] = spoiled.late;
  stats.placements = cluster.live.placements();
  stats.given_up = cluster.live.given_up();
  stats.cpu_free_max_milli = cluster.live.cpu_free_max_milli();
  add_times(cluster.live, stats);
  add_use(cluster.live, stats);
  const auto plane = cluster.plane;
  if (!plane || !plane->serving) return stats;
  stats.turns = plane->engine->stats().turns;
  const orch::State& state = plane->engine->state();
  stats.sandboxes = state.sandboxes().size();
  stats.running = state.count(model::Phase::running);
  stats.waiting = state.count(model::Phase::pending);
  stats.failed = state.count(model::Phase::failed);
  return stats;
}

}  // namespace sandboxd::world
