// How fast and how well the scheduler places, on a cluster that is kept 70 % full: see bench/placements.py.
//
//   placements [nodes] [placements] [policy]  ->  one JSON object
//
// Timed: place, choose ports, reserve, and the release of another sandbox that keeps the fill. Not timed: the ledger,
// which checks every decision, and a second cluster that compares all nodes ("full scan"), which lives through the same
// and says what the best score would have been, and how long finding it takes.
#include "orch/decisions.hpp"
#include "placement_load.hpp"

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <ctime>
#include <functional>
#include <numeric>

namespace sandboxd::bench {
namespace {

// Time of this thread: what others do on the machine at the same time does not count, a wait for memory does.
struct Clock {
  using time_point = std::chrono::nanoseconds;
  static time_point now() {
    timespec at{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec);
  }
};

constexpr std::uint64_t kSeed = 42;
constexpr std::size_t kRequests = 8192;
constexpr std::size_t kChunk = 2000;
constexpr std::size_t kSamplesPerChunk = 20;
constexpr double kFillPercent = 70;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

sched::ClusterOptions options(const sched::Policy& policy, bool compares_all) {
  sched::ClusterOptions out;
  out.policy = policy;
  out.seed = kSeed;
  if (compares_all) out.policy.candidates = 0;
  return out;
}

struct Quality {
  std::vector<double> ratios;  // chosen score by best score
  double full_scan_s = 0;
  double indexed_s = 0;  // for the same requests
  [[nodiscard]] double at(double share) {
    std::sort(ratios.begin(), ratios.end());
    return ratios[static_cast<std::size_t>(share * static_cast<double>(ratios.size() - 1))];
  }
  [[nodiscard]] double mean() const {
    return std::accumulate(ratios.begin(), ratios.end(), 0.0) / static_cast<double>(ratios.size());
  }
};

class Bench {
 public:
  Bench(std::uint64_t nodes, const sched::Policy& policy)
      : random_(kSeed),
        facts_(make_nodes(nodes)),
        ledger_(facts_),
        fast_(options(policy, false)),
        full_(options(policy, true)) {
    for (std::size_t n = 0; n < facts_.size(); ++n) {
      ids_.emplace_back(numbered("node-", n));
      numbers_[ids_.back()] = static_cast<std::uint32_t>(n);
      fast_.upsert(ids_.back(), facts_[n]);
      full_.upsert(ids_.back(), facts_[n]);
    }
    for (std::size_t n = 0; n < kRequests; ++n) requests_.push_back(make_request(random_));
  }

  void fill() {
    while (ledger_.fill() < kFillPercent) {
      for (std::size_t n = 0; n < kChunk; ++n) place_one();
      settle();
    }
  }

  // Returns the seconds that `count` placements with as many releases took.
  double measure(std::size_t count) {
    double timed = 0;
    for (std::size_t done = 0; done < count; done += kChunk) {
      now_ = now_ + std::chrono::milliseconds(20);
      const auto begin = Clock::now();
      for (std::size_t n = 0; n < kChunk; ++n) {
        if (place_one()) release_one();
      }
      timed += seconds_since(begin);
      settle();
      sample();
    }
    return timed;
  }

  [[nodiscard]] Ledger& ledger() { return ledger_; }
  [[nodiscard]] Quality& quality() { return quality_; }
  std::uint64_t refused = 0;

 private:
  std::vector<sched::NodeFacts> make_nodes(std::uint64_t count) {
    std::vector<sched::NodeFacts> out;
    for (std::uint64_t n = 0; n < count; ++n) out.push_back(make_node(random_, n));
    return out;
  }

  bool place_one() {
    const sched::Request& request = requests_[next_++ % kRequests];
    const sched::Decision decision = fast_.place(request, now_, 0);
    if (!decision.placed()) {
      ++refused;
      return false;
    }
    auto ports = fast_.choose_ports(decision.node, request, now_);
    Deed deed{true,
              numbers_.at(decision.node),
              &request,
              {request.cpu_milli, request.memory_bytes, request.disk_bytes, *std::move(ports), request.group}};
    fast_.reserve(decision.node, deed.reservation);
    deeds_.push_back(deed);
    held_.push_back(std::move(deed));
    return true;
  }

  void release_one() {
    const std::size_t at = random_.below(held_.size());
    std::swap(held_[at], held_.back());
    Deed deed = std::move(held_.back());
    held_.pop_back();
    deed.placed = false;
    fast_.release(ids_[deed.node], deed.reservation, now_, true);
    deeds_.push_back(std::move(deed));
  }

  // The ledger and the other cluster live through what happened.
  void settle() {
    for (const Deed& deed : deeds_) {
      ledger_.apply(deed);
      if (deed.placed) {
        full_.reserve(ids_[deed.node], deed.reservation);
      } else {
        full_.release(ids_[deed.node], deed.reservation, now_, true);
      }
    }
    deeds_.clear();
  }

  void sample() {
    for (std::size_t n = 0; n < kSamplesPerChunk; ++n) {
      const sched::Request& request = requests_[random_.below(kRequests)];
      auto begin = Clock::now();
      const sched::Decision chosen = fast_.place(request, now_, 0);
      quality_.indexed_s += seconds_since(begin);
      begin = Clock::now();
      const sched::Decision best = full_.place(request, now_, 0);
      quality_.full_scan_s += seconds_since(begin);
      if (best.placed() != chosen.placed()) {
        std::fprintf(stderr, "placements: one search finds a node and the other none\n");
        std::exit(1);
      }
      if (best.placed()) quality_.ratios.push_back(best.score == 0 ? 1.0 : double(chosen.score) / best.score);
    }
  }

  Random random_;
  std::vector<sched::NodeFacts> facts_;
  Ledger ledger_;
  sched::Cluster fast_;
  sched::Cluster full_;
  std::vector<NodeId> ids_;
  std::unordered_map<NodeId, std::uint32_t> numbers_;
  std::vector<sched::Request> requests_;
  std::size_t next_ = 0;
  std::vector<Deed> held_;
  std::vector<Deed> deeds_;
  MonoTime now_{1'000'000'000};
  Quality quality_;
};

model::SandboxSpec spec_of(const sched::Request& request) {
  model::SandboxSpec spec;
  model::Container& container = spec.containers.emplace_back();
  container.name = "main";
  container.image = request.images.front();
  container.resources.request_cpu_milli = request.cpu_milli;
  container.resources.request_memory_bytes = request.memory_bytes;
  spec.node_selector = request.selector;
  for (std::size_t n = 0; n < request.host_ports.size(); ++n) spec.ports.push_back({0, static_cast<int>(8000 + n), ""});
  return spec;
}

// Seconds of `turns` whole turns of the control plane with `per_turn` creates each: validation, record, placement,
// reservation, transaction and events; without HTTP, JSON and the disk.
double measure_turns(std::uint64_t nodes, const sched::Policy& policy, int turns, int per_turn) {
  Random random(kSeed);
  orch::OrchConfig config;
  config.scheduler_policy = sched::policy_json(policy);
  orch::State state(options(policy, false), Duration::zero());
  orch::Decisions decisions(state, config, "01234567", kSeed);
  WallTime wall{1'700'000'000'000'000'000};
  MonoTime mono{1'000'000'000};
  state.begin(wall, mono);
  for (std::uint64_t n = 0; n < nodes; ++n) {
    const sched::NodeFacts facts = make_node(random, n);
    const NodeId id(numbered("node-", n));
    if (!decisions.upsert_node({id, {"192.0.2.1", 8080}, facts.labels, facts.cordoned})) std::exit(1);
    decisions.observe(orch::LinkOpened{id, 1});
    model::NodeReport report;
    report.boot_id = "boot";
    report.resources.allocatable_cpu_milli = facts.allocatable_cpu_milli;
    report.resources.allocatable_memory_bytes = facts.allocatable_memory_bytes;
    report.images = facts.images;
    decisions.observe(orch::NodeSaid{id, 1, report});
    const auto share = static_cast<std::int64_t>(60 + random.below(20));
    state.cluster().reserve(
        id, {facts.allocatable_cpu_milli / 100 * share, facts.allocatable_memory_bytes / 100 * share, 0, {}, ""});
  }
  static_cast<void>(state.accept());
  double timed = 0;
  for (int turn = 0; turn < turns; ++turn) {
    std::vector<orch::CreateSandbox> creates;
    for (int n = 0; n < per_turn; ++n) {
      const std::string id = "s-" + std::to_string(turn) + "-" + std::to_string(n);
      creates.push_back(
          {SandboxId(id), spec_of(make_request(random)), "", numbered("owner-", skewed(random, 500)), ""});
    }
    wall = wall + std::chrono::milliseconds(10);
    mono = mono + std::chrono::milliseconds(10);
    const auto begin = Clock::now();
    state.begin(wall, mono);
    for (const orch::CreateSandbox& create : creates) {
      if (!decisions.create(create)) std::exit(1);
    }
    decisions.place_pending();
    const ports::StoreTransaction transaction = state.transaction();
    const orch::Released released = state.accept();
    timed += seconds_since(begin);
    if (transaction.changes.size() < creates.size() || released.effects.empty()) std::exit(1);
  }
  return timed;
}

struct Waiting {
  double event_s = 0;    // one node gains a little: until everybody who waits was considered
  double longest_s = 0;  // the longest turn
};

// 10,000 sandboxes wait that fit nowhere, of `kinds` sizes, while a small one ends and another comes.
Waiting measure_waiting(std::uint64_t nodes, int kinds) {
  constexpr int kWaiting = 10'000;
  constexpr int kEvents = 50;
  orch::State state(options(sched::Policy(sched::built_in_policies().front()), false), Duration::zero());
  orch::OrchConfig config;
  config.place_deadline = std::chrono::hours(1);
  orch::Decisions decisions(state, config, "01234567", kSeed);
  WallTime wall{1'700'000'000'000'000'000};
  MonoTime mono{1'000'000'000};
  Waiting out;
  const auto turn = [&](const std::function<void()>& work) {
    wall = wall + std::chrono::milliseconds(1);
    mono = mono + std::chrono::milliseconds(1);
    const auto begin = Clock::now();
    state.begin(wall, mono);
    work();
    decisions.place_pending();
    static_cast<void>(state.transaction());
    static_cast<void>(state.accept());
    const double took = seconds_since(begin);
    out.longest_s = std::max(out.longest_s, took);
    return took;
  };
  const auto create = [&](const std::string& id, std::int64_t cpu) {
    sched::Request request;
    request.cpu_milli = cpu;
    request.memory_bytes = 1 << 20;
    request.images = {"local/app:1"};
    const std::string owner = numbered("owner-", id.size() % 7);
    if (!decisions.create({SandboxId(id), spec_of(request), "", owner, ""})) std::exit(1);
  };
  const auto small = [](std::uint64_t n) { return numbered("small-", n); };
  turn([&] {
    for (std::uint64_t n = 0; n < nodes; ++n) {
      const NodeId id(numbered("node-", n));
      if (!decisions.upsert_node({id, {"192.0.2.1", 8080}, {}, false})) std::exit(1);
      decisions.observe(orch::LinkOpened{id, 1});
      model::NodeReport report;
      report.boot_id = "boot";
      report.resources.allocatable_cpu_milli = 400;
      report.resources.allocatable_memory_bytes = std::int64_t{1} << 40;
      decisions.observe(orch::NodeSaid{id, 1, report});
    }
  });
  for (std::uint64_t n = 0; n < nodes * 4; ++n) turn([&] { create(small(n), 100); });
  turn([&] {
    for (int n = 0; n < kWaiting; ++n) create("w-" + std::to_string(n), 200 + n % kinds);
  });
  while (decisions.has_more_to_place()) turn([] {});
  mono = mono + std::chrono::minutes(1);  // the oldest hold nodes
  wall = wall + std::chrono::minutes(1);
  do turn([] {});
  while (decisions.has_more_to_place());
  out = {};
  for (std::uint64_t n = 0; n < kEvents; ++n) {
    double took = turn([&] {
      const orch::SandboxRef gone = state.find(SandboxId(small(n)));
      if (!gone || !decisions.remove(gone->id)) std::exit(1);
      decisions.observe(orch::RemoveDone{gone->id, gone->uid, gone->node, {}});
    });
    while (decisions.has_more_to_place()) took += turn([] {});
    out.event_s += took / kEvents;
    turn([&] { create(small(nodes * 4 + n), 100); });
    while (decisions.has_more_to_place()) turn([] {});
  }
  if (state.queue().size() < kWaiting) std::exit(1);
  return out;
}

int run(std::uint64_t nodes, std::size_t placements, const sched::Policy& policy) {
  Bench bench(nodes, policy);
  bench.fill();
  bench.refused = 0;
  const double fill_before = bench.ledger().fill();
  const double timed = bench.measure(placements);
  Quality& quality = bench.quality();
  constexpr int kTurns = 20;
  constexpr int kPerTurn = 1000;
  const double turns = measure_turns(nodes, policy, kTurns, kPerTurn);
  const double done = static_cast<double>(placements - bench.refused);
  std::printf("{\"policy\": \"%s\", \"nodes\": %" PRIu64 ", \"placements\": %.0f, \"refused\": %" PRIu64
              ", \"checked\": %" PRIu64 ", \"fill_percent\": %.1f, ",
              policy.name.c_str(), nodes, done, bench.refused, bench.ledger().checked(), fill_before);
  std::printf("\"placements_per_s\": %.0f, \"us_per_placement\": %.2f, ", done / timed, timed / done * 1e6);
  std::printf("\"score_ratio_mean\": %.4f, \"score_ratio_p5\": %.4f, \"score_ratio_min\": %.4f, \"samples\": %zu, ",
              quality.mean(), quality.at(0.05), quality.at(0), quality.ratios.size());
  std::printf("\"search_us\": %.2f, \"full_scan_us\": %.2f, \"times_faster\": %.1f, ",
              quality.indexed_s / static_cast<double>(quality.ratios.size()) * 1e6,
              quality.full_scan_s / static_cast<double>(quality.ratios.size()) * 1e6,
              quality.full_scan_s / quality.indexed_s);
  const Waiting alike = measure_waiting(100, 1);
  const Waiting unlike = measure_waiting(100, 5000);
  std::printf("\"waiting_alike_event_us\": %.1f, \"waiting_unlike_event_us\": %.1f, \"waiting_turn_us\": %.1f, ",
              alike.event_s * 1e6, unlike.event_s * 1e6, std::max(alike.longest_s, unlike.longest_s) * 1e6);
  std::printf("\"turn_creates_per_s\": %.0f, \"turn_us_per_create\": %.2f}\n", kTurns * kPerTurn / turns,
              turns / (kTurns * kPerTurn) * 1e6);
  return 0;
}

}  // namespace
}  // namespace sandboxd::bench

int main(int argc, char** argv) {
  const std::uint64_t nodes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10000;
  const std::size_t placements = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 200000;
  const auto policy = sandboxd::sched::parse_policy(argc > 3 ? argv[3] : "spread");
  if (!policy || nodes == 0 || placements == 0) {
    std::fprintf(stderr, "usage: placements [nodes] [placements] [policy]\n%s\n",
                 policy ? "" : policy.error().message().c_str());
    return 2;
  }
  return sandboxd::bench::run(nodes, placements, *policy);
}
