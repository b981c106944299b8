// Many small clusters, each from its own seed, with production agents and every kind of fault.
//
// SANDBOXD_SIM_SEEDS: how many (default 200). SANDBOXD_SIM_FIRST: the first one (default 1); with SANDBOXD_SIM_SEEDS=1
// that is a replay. SANDBOXD_SIM_SUMMARY: a file that gets the table too. A seed that fails leaves its scenario as
// seed-<n>.json in the working directory.
#include "support.hpp"
#include "world/faults.hpp"
#include "world/scenario.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace sandboxd::world {
namespace {

using std::chrono::seconds;

constexpr int kFailuresMax = 5;  // then the rest says nothing new

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Odd seeds are watched while everything breaks; even ones must come to rest afterwards.
Scenario scenario_for(std::uint64_t seed) {
  Scenario scenario;
  scenario.seed = seed;
  scenario.settle = seed % 2 == 0;
  scenario.run_for = scenario.settle ? seconds(30) : seconds(60);
  return scenario;
}

struct Totals {
  std::uint64_t seeds = 0;
  std::uint64_t events = 0;
  std::uint64_t creates = 0;
  std::uint64_t deletes = 0;
  std::uint64_t placements = 0;
  std::uint64_t lives = 0;
  std::map<std::string, std::uint64_t> faults;
};

void add(const WorldStats& stats, Totals& totals) {
  ++totals.seeds;
  totals.events += stats.events;
  totals.creates += stats.creates_acknowledged;
  totals.deletes += stats.deletes_acknowledged;
  totals.placements += stats.placements;
  totals.lives += stats.control_plane_lives;
  for (const auto& [kind, count] : stats.faults_by_kind) totals.faults[kind] += count;
}

std::string table_of(const Totals& totals) {
  std::stringstream out;
  out << totals.seeds << " seeds of small clusters: " << totals.events << " events, " << totals.creates << " creates, "
      << totals.deletes << " deletes, " << totals.placements << " placements, " << totals.lives
      << " lives of the control plane\nfaults that struck, over all seeds:\n";
  for (const auto& [kind, count] : totals.faults) {
    out << "  " << kind << std::string(24 - std::min<std::size_t>(kind.size(), 23), ' ') << count << "\n";
  }
  return out.str();
}

void print_line(const World& world) {
  const WorldStats stats = world.stats();
  std::printf("seed %llu: %llu events, %llu faults, %llu spoiled messages, %llu lives, %llu creates, %llu deletes\n",
              static_cast<unsigned long long>(world.seed()), static_cast<unsigned long long>(stats.events),
              static_cast<unsigned long long>(stats.faults), static_cast<unsigned long long>(stats.messages_spoiled),
              static_cast<unsigned long long>(stats.control_plane_lives),
              static_cast<unsigned long long>(stats.creates_acknowledged),
              static_cast<unsigned long long>(stats.deletes_acknowledged));
}

// True when all is well.
bool run_seed(std::uint64_t seed, Totals& totals) {
  const Scenario scenario = scenario_for(seed);
  World world(seed, scenario.options);
  world.run_for(scenario.run_for);
  const Scenario done = scenario_of(world, scenario.settle);
  if (scenario.settle) world.settle();
  print_line(world);
  add(world.stats(), totals);
  EXPECT_GT(world.stats().creates_acknowledged, 0U) << "seed " << seed;
  const auto problems = world.check();
  if (problems.empty()) return true;
  const std::string file = "seed-" + std::to_string(seed) + ".json";
  std::ofstream(file) << to_json(done) << "\n";
  for (const std::string& problem : problems) ADD_FAILURE() << "seed " << seed << ": " << problem;
  ADD_FAILURE() << tail_of(world) << "its scenario is in " << file;
  return false;
}

TEST(Seeds, small_clusters_keep_what_they_promise) {
  const std::uint64_t first = number_from("SANDBOXD_SIM_FIRST", 1);
  const std::uint64_t count = number_from("SANDBOXD_SIM_SEEDS", 200);
  Totals totals;
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + count && failures < kFailuresMax; ++seed) {
    if (!run_seed(seed, totals)) ++failures;
  }
  const std::string table = table_of(totals);
  std::fputs(table.c_str(), stdout);
  if (const char* file = std::getenv("SANDBOXD_SIM_SUMMARY")) std::ofstream(file, std::ios::app) << table;
  if (count < 100) return;  // too few to meet every kind
  for (const FaultKind& kind : fault_kinds()) EXPECT_GT(totals.faults[std::string(kind.name)], 0U) << kind.name;
  for (const char* kind : {"message_lost", "message_doubled", "message_late"}) EXPECT_GT(totals.faults[kind], 0U);
}

}  // namespace
}  // namespace sandboxd::world
