// Runs as data: what is saved runs again, and what once went wrong stays mended.
#include "world/scenario.hpp"

#include "plants.hpp"
#include "support.hpp"
#include "world/checkers.hpp"
#include "world/faults.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace sandboxd::world {
namespace {

using std::chrono::seconds;

TEST(Scenario, a_saved_run_is_the_same_run) {
  World world(31);
  world.run_for(seconds(20));
  const std::string saved = to_json(scenario_of(world, false));
  const auto read = parse_scenario(saved);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(to_json(*read), saved);
  EXPECT_EQ(read->options.plan->faults, world.plan().faults);
  EXPECT_GT(read->options.plan->faults.size(), 0U);
  EXPECT_EQ(run(*read)->trace_hash(), world.trace_hash());
}

TEST(Scenario, keeps_the_policy_and_replays_with_it) {
  WorldOptions options;
  options.nodes = 6;
  options.faults = false;
  options.load.clients = 2;
  options.load.live_max = 8;  // not more than half full, so that there is a choice
  options.load.cpu_milli_max = 500;
  World spread(35, options);
  spread.run_for(seconds(20));
  options.policy = R"({"scores":{"cpu_fill":1}})";
  World packed(35, options);
  packed.run_for(seconds(20));
  EXPECT_NE(packed.trace_hash(), spread.trace_hash());
  EXPECT_GT(packed.stats().cpu_spread_permille, spread.stats().cpu_spread_permille);
  const auto read = parse_scenario(to_json(scenario_of(packed, false)));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->options.policy, options.policy);
  EXPECT_EQ(run(*read)->trace_hash(), packed.trace_hash());
}

TEST(Scenario, what_is_drawn_ahead_is_what_happens) {
  World world(32);
  world.run_for(seconds(20));
  const std::size_t nodes = world.view().capacities.size();
  EXPECT_EQ(draw_plan(32, nodes, true, seconds(20)), world.plan());
}

TEST(Scenario, a_plan_without_faults_is_a_calm_run) {
  WorldOptions options;
  options.plan = FaultPlan();
  World world(33, options);
  world.run_for(seconds(5));
  EXPECT_EQ(world.stats().faults, 0U);
  EXPECT_EQ(world.stats().messages_spoiled, 0U);
  expect_well(world);
}

TEST(Scenario, says_what_is_wrong_with_it) {
  const auto problem = [](const char* text) { return parse_scenario(text).error().message(); };
  EXPECT_NE(problem(R"({"faults":[{"at_us":1,"kind":"earthquake"}]})").find("earthquake"), std::string::npos);
  EXPECT_NE(problem(R"({"faults":[{"kind":"cut_link"}]})").find("at_us"), std::string::npos);
  EXPECT_NE(problem(R"({"faults":[{"at_us":2,"kind":"cut_link"},{"at_us":1,"kind":"cut_link"}]})").find("order"),
            std::string::npos);
  EXPECT_NE(problem(R"({"faults":[{"at_us":1,"kind":"cut_link","node":-1}]})").find("negative"), std::string::npos);
  EXPECT_NE(problem(R"({"load":{"live_max":0}})").find("load"), std::string::npos);
  EXPECT_NE(problem(R"({"policy":"scatter"})").find("spread"), std::string::npos);
  EXPECT_NE(problem("[").find("byte"), std::string::npos);
}

TEST(Scenario, shrinks_to_the_faults_that_matter) {
  Scenario scenario;
  scenario.seed = 34;
  scenario.run_for = seconds(10);
  scenario.options.nodes = 2;
  scenario.options.plan = draw_plan(34, 2, true, seconds(10));
  PlannedFault plant;
  plant.kind = "plant_orphan";
  plant.at = seconds(10);
  auto& faults = scenario.options.plan->faults;
  faults.push_back(plant);
  ASSERT_GT(faults.size(), 3U);
  const Scenario shrunk = shrink(scenario, 60);
  ASSERT_EQ(shrunk.options.plan->faults.size(), 1U);
  EXPECT_EQ(shrunk.options.plan->faults[0].kind, "plant_orphan");
}

// Every file in reproducers/ once made a checker speak.
TEST(Reproducers, stay_mended) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SANDBOXD_REPRODUCERS)) {
    if (entry.path().extension() != ".json") continue;
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const auto scenario = parse_scenario(text.str());
    ASSERT_TRUE(scenario) << entry.path() << ": " << scenario.error().message();
    SCOPED_TRACE(entry.path().filename().string());
    expect_well(*run(*scenario));
    ++count;
  }
  EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace sandboxd::world
