// The world itself: it repeats, it can be broken on purpose, and its checkers see what was planted. seeds_test.cpp runs
// many.
#include "world/world.hpp"

#include "support.hpp"
#include "world/checkers.hpp"

#include <chrono>

namespace sandboxd::world {
namespace {

TEST(World, same_seed_gives_the_same_run) {
  World first(42);
  World second(42);
  World other(43);
  first.run_for(std::chrono::seconds(20));
  second.run_for(std::chrono::seconds(20));
  other.run_for(std::chrono::seconds(20));
  EXPECT_EQ(first.trace_hash(), second.trace_hash());
  EXPECT_EQ(first.stats().events, second.stats().events);
  EXPECT_NE(first.trace_hash(), other.trace_hash());
}

TEST(World, without_faults_everything_that_fits_runs) {
  WorldOptions options;
  options.faults = false;
  options.nodes = 3;
  World world(7, options);
  world.run_for(std::chrono::seconds(20));
  world.settle();
  expect_well(world);
  EXPECT_GT(world.stats().running, 0U);
  EXPECT_EQ(world.stats().control_plane_lives, 1U);
}

TEST(World, a_burst_of_creates_that_fit_runs_within_moments) {
  WorldOptions options;
  options.nodes = 40;
  options.faults = false;
  options.images_ready = true;
  options.load.clients = 200;
  options.load.live_max = 1;
  options.load.pause_min = options.load.pause_max = std::chrono::seconds(2);  // all at once
  options.load.cpu_milli_max = 100;
  options.load.ports_max = 0;
  options.load.ttl_permille = options.load.selector_permille = 0;
  options.load.pair_permille = options.load.ending_permille = 0;
  World world(1, options);
  world.run_for(std::chrono::milliseconds(3900));
  EXPECT_EQ(world.stats().creates_acknowledged, 200U);
  EXPECT_EQ(world.stats().running, 200U);
  EXPECT_EQ(world.stats().waiting, 0U);
  EXPECT_LT(world.stats().running_max, std::chrono::milliseconds(200));
  EXPECT_GT(world.stats().running_p50, std::chrono::milliseconds(60));  // what runtime and network take
}

TEST(World, says_who_waits_who_gave_up_and_how_much_is_left) {
  WorldOptions options;
  options.nodes = 2;
  options.faults = false;
  options.load.clients = 6;
  options.load.selector_permille = 0;
  options.load.cpu_milli_max = 3000;
  World world(2, options);
  world.run_for(std::chrono::seconds(60));
  const WorldStats stats = world.stats();
  EXPECT_GT(stats.given_up, 0U);
  std::map<model::Phase, std::uint64_t> phases;
  std::map<NodeId, std::int64_t> left;
  const View view = world.view();
  for (const auto& [id, capacity] : view.capacities) left[id] = capacity.cpu_milli;
  for (const model::Sandbox& sandbox : view.sandboxes) {
    ++phases[sandbox.phase];
    if (model::holds_resources(sandbox)) left[sandbox.node] -= model::total_request_cpu_milli(sandbox.spec);
  }
  EXPECT_EQ(stats.waiting, phases[model::Phase::pending]);
  EXPECT_EQ(stats.failed, phases[model::Phase::failed]);
  EXPECT_EQ(stats.running, phases[model::Phase::running]);
  std::int64_t most = 0;
  for (const auto& [id, cpu] : left) most = std::max(most, cpu);
  EXPECT_EQ(stats.cpu_free_max_milli, most);
}

TEST(World, unknown_fault_is_refused) {
  World world(1);
  EXPECT_EQ(world.inject("no such thing").error().code(), ErrorCode::invalid_argument);
}

TEST(World, a_sandbox_that_vanishes_without_a_word_is_noticed) {
  WorldOptions options;
  options.faults = false;
  options.nodes = 1;
  World world(3, options);
  world.run_for(std::chrono::seconds(10));
  world.settle();
  ASSERT_TRUE(world.check().empty());
  ASSERT_GT(world.stats().running, 0U);
  ASSERT_TRUE(world.inject("plant_lost_sandbox"));
  EXPECT_FALSE(world.check().empty());
}

TEST(World, a_leaked_network_slot_is_noticed_and_cleaned_up_by_the_agent) {
  WorldOptions options;
  options.faults = false;
  options.workload = false;
  options.nodes = 1;
  World world(3, options);
  world.settle();
  ASSERT_TRUE(world.check().empty());
  ASSERT_TRUE(world.inject("plant_leaked_slot"));
  EXPECT_FALSE(check_machines(world.view()).empty());
  world.run_for(std::chrono::seconds(20));
  EXPECT_TRUE(check_machines(world.view()).empty());
}

TEST(World, an_orphan_that_is_not_ours_is_noticed_and_left_alone) {
  WorldOptions options;
  options.faults = false;
  World world(4, options);
  world.run_for(std::chrono::seconds(5));
  ASSERT_TRUE(world.inject("plant_orphan"));
  ASSERT_TRUE(world.inject("break_streams"));
  world.settle();
  const auto problems = world.check();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].find("planted-orphan"), std::string::npos);
}

TEST(World, a_disk_that_lies_loses_acknowledged_creates) {
  WorldOptions options;
  options.faults = false;
  World world(5, options);
  ASSERT_TRUE(world.inject("plant_lying_disk"));
  world.run_for(std::chrono::seconds(5));
  ASSERT_TRUE(world.inject("power_loss"));
  world.run_for(std::chrono::seconds(5));
  bool is_lost = false;
  for (const std::string& problem : world.check()) is_lost |= problem.find("is lost") != std::string::npos;
  EXPECT_TRUE(is_lost);
}

}  // namespace
}  // namespace sandboxd::world
