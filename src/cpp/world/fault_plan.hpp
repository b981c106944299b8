// What breaks, and when, as data: drawn from a seed, printed, saved, and run again.
#pragma once

#include "base/random.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::world {

// One fault. Everything that it does follows from these fields, so that a plan can be cut down by hand.
struct PlannedFault {
  std::string kind;         // a name in faults.hpp
  Duration at{};            // since the world began
  std::int64_t node = 0;    // which one, for kinds that break a node; taken modulo their number
  Duration lasts{};         // until it is mended, for kinds that are
  std::int64_t detail = 0;  // seed of what else is drawn

  friend bool operator==(const PlannedFault&, const PlannedFault&) = default;
};

// What the network does to messages all the time.
struct Weather {
  std::uint64_t loss_permille = 0;
  std::uint64_t double_permille = 0;
  std::uint64_t late_permille = 0;
  Duration delay_spread = std::chrono::milliseconds(3);

  friend bool operator==(const Weather&, const Weather&) = default;
};

struct FaultPlan {
  Weather weather;
  std::vector<PlannedFault> faults;  // in the order of time

  friend bool operator==(const FaultPlan&, const FaultPlan&) = default;
};

// Draws one fault after another, without end. `production_agents`: also those that need them.
class FaultDrawer {
 public:
  FaultDrawer(std::uint64_t seed, std::size_t nodes, bool production_agents);

  [[nodiscard]] const Weather& weather() const { return weather_; }
  [[nodiscard]] PlannedFault next();

 private:
  Random random_;
  std::size_t nodes_;
  bool production_agents_;
  Weather weather_;
  std::uint64_t pause_ms_;  // some runs are rough, some mild
  Duration at_{};
};

// What a world of this seed will do to itself within `length`.
[[nodiscard]] FaultPlan draw_plan(std::uint64_t seed, std::size_t nodes, bool production_agents, Duration length);

}  // namespace sandboxd::world
