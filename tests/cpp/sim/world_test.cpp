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
