// Whole clusters from one seed. A failure prints the seed and the last lines of the trace: run that seed again.
#include "world/world.hpp"

#include "world/checkers.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

namespace sandboxd::world {
namespace {

std::string tail_of(const World& world) {
  std::string text = "seed " + std::to_string(world.seed()) + ", the end of its trace:\n";
  for (const std::string& line : world.trace_tail()) text += "  " + line + "\n";
  return text;
}

void expect_well(World& world) {
  const auto problems = world.check();
  for (const std::string& problem : problems) ADD_FAILURE() << problem;
  if (!problems.empty()) FAIL() << tail_of(world);
}

void print(const char* mode, const World& world) {
  const WorldStats stats = world.stats();
  std::printf("%s seed %llu: %llu events, %llu faults, %llu spoiled messages, %llu lives, %llu creates, %llu deletes\n",
              mode, static_cast<unsigned long long>(world.seed()), static_cast<unsigned long long>(stats.events),
              static_cast<unsigned long long>(stats.faults), static_cast<unsigned long long>(stats.messages_spoiled),
              static_cast<unsigned long long>(stats.control_plane_lives),
              static_cast<unsigned long long>(stats.creates_acknowledged),
              static_cast<unsigned long long>(stats.deletes_acknowledged));
}

class Safety : public testing::TestWithParam<int> {};
class Liveness : public testing::TestWithParam<int> {};

TEST_P(Safety, invariants_hold_while_everything_breaks) {
  World world(static_cast<std::uint64_t>(GetParam()));
  world.run_for(std::chrono::seconds(60));
  print("safety", world);
  expect_well(world);
  EXPECT_GT(world.stats().creates_acknowledged, 0U);
}

TEST_P(Liveness, everything_accepted_comes_to_rest_after_the_faults) {
  World world(static_cast<std::uint64_t>(GetParam()) + 1000);
  world.run_for(std::chrono::seconds(30));
  world.settle();
  print("liveness", world);
  expect_well(world);
}

INSTANTIATE_TEST_SUITE_P(seeds, Safety, testing::Range(1, 21));
INSTANTIATE_TEST_SUITE_P(seeds, Liveness, testing::Range(1, 21));

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
