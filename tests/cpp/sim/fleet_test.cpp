// A fleet: the production control plane with thousands of light nodes.
//
// What is checked at every change scales by itself (live_checker.hpp); whole states are compared twice a minute and at
// the end.
#include "support.hpp"
#include "world/checkers.hpp"
#include "world/scenario.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace sandboxd::world {
namespace {

using std::chrono::seconds;

WorldOptions fleet(int nodes, int clients, int live_max) {
  WorldOptions options;
  options.nodes = nodes;
  options.light_nodes = true;
  options.load.clients = clients;
  options.load.live_max = live_max;
  options.load.pause_min = std::chrono::milliseconds(1);
  options.load.pause_max = std::chrono::milliseconds(60);
  options.load.cpu_milli_max = 300;
  options.load.memory_mib_max = 256;
  return options;
}

void report(const World& world, std::chrono::steady_clock::duration took) {
  const WorldStats stats = world.stats();
  std::stringstream text;
  text << "a fleet of " << world.options().nodes << " nodes, seed " << world.seed() << ": " << stats.events
       << " events, " << stats.turns << " turns, " << stats.creates_acknowledged << " creates, "
       << stats.deletes_acknowledged << " deletes, " << stats.sandboxes << " sandboxes of which " << stats.running
       << " run, " << stats.faults << " faults, " << stats.messages_spoiled << " spoiled messages, "
       << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms of real time\n";
  std::fputs(text.str().c_str(), stdout);
  if (const char* file = std::getenv("SANDBOXD_SIM_SUMMARY")) std::ofstream(file, std::ios::app) << text.str();
}

TEST(Fleet, of_ten_thousand_nodes_keeps_what_it_promises) {
  const auto began = std::chrono::steady_clock::now();
  World world(51, fleet(10'000, 40, 1000));
  world.run_for(seconds(15));
  EXPECT_GT(world.stats().faults, 0U);
  EXPECT_GT(world.stats().messages_spoiled, 0U);
  // Those that a small cluster seldom meets at this size.
  for (const char* fault : {"partition", "crash_control_plane", "power_loss"}) {
    ASSERT_TRUE(world.inject(fault));
    world.run_for(seconds(4));
  }
  world.settle();
  report(world, std::chrono::steady_clock::now() - began);
  expect_well(world);
  EXPECT_GT(world.stats().running, 1'000U);
}

TEST(Fleet, notices_a_plant_among_ten_thousand_nodes) {
  WorldOptions options = fleet(10'000, 20, 100);
  options.faults = false;
  World world(52, options);
  world.run_for(seconds(10));
  ASSERT_TRUE(world.inject("plant_lying_disk"));
  world.run_for(seconds(1));
  EXPECT_TRUE(says(world, "was told before it was durable"));
}

TEST(Fleet, same_seed_gives_the_same_run) {
  World first(53, fleet(300, 8, 100));
  World second(53, fleet(300, 8, 100));
  first.run_for(seconds(20));
  second.run_for(seconds(20));
  EXPECT_EQ(first.trace_hash(), second.trace_hash());
}

}  // namespace
}  // namespace sandboxd::world
