// What the simulation tests share.
#pragma once

#include "world/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sandboxd::world {

inline std::string tail_of(const World& world) {
  std::string text = "seed " + std::to_string(world.seed()) + ", the end of its trace:\n";
  for (const std::string& line : world.trace_tail()) text += "  " + line + "\n";
  return text;
}

inline void expect_well(World& world) {
  const auto problems = world.check();
  for (const std::string& problem : problems) ADD_FAILURE() << problem;
  if (!problems.empty()) FAIL() << tail_of(world);
}

inline bool says(World& world, const std::string& words) {
  const auto problems = world.check();
  return std::any_of(problems.begin(), problems.end(),
                     [&](const std::string& problem) { return problem.find(words) != std::string::npos; });
}

}  // namespace sandboxd::world
