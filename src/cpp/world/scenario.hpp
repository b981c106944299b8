// A whole run as data: seed, sizes, workload, faults, and how long. Small enough to be mailed, kept as a regression
// test, and cut down by hand.
#pragma once

#include "base/result.hpp"
#include "world/world.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sandboxd::world {

struct Scenario {
  std::uint64_t seed = 1;
  WorldOptions options;  // the wrappers are not part of it
  Duration run_for = std::chrono::seconds(60);
  bool settle = true;
};

// What `world` has done up to now, with every fault that struck. Before settle().
[[nodiscard]] Scenario scenario_of(const World& world, bool settle);

// JSON; times in milliseconds, but for `at_us`. Absent members have their defaults; without "faults" they are drawn.
[[nodiscard]] std::string to_json(const Scenario& scenario);
[[nodiscard]] std::string to_json(const FaultPlan& plan);
// Errors: invalid_argument, naming the member; also for an unknown kind of fault.
[[nodiscard]] Result<Scenario> parse_scenario(std::string_view text);
// A document with "weather" and "faults" only.
[[nodiscard]] Result<FaultPlan> parse_plan(std::string_view text);

// Runs it to its end.
[[nodiscard]] std::unique_ptr<World> run(const Scenario& scenario);

// A shorter plan that still makes check() speak: faults are left out one piece after another, down to single ones, for
// as long as something stays wrong. The scenario as it is when nothing is wrong. Takes a run per attempt.
[[nodiscard]] Scenario shrink(Scenario scenario, int attempts_max);

}  // namespace sandboxd::world
