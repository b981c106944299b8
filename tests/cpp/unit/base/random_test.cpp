#include "base/random.hpp"

#include <gtest/gtest.h>

#include <array>

namespace sandboxd {
namespace {

TEST(Random, the_same_seed_gives_the_same_sequence) {
  Random a(7), b(7), c(8);
  EXPECT_EQ(a.hex(32), b.hex(32));
  EXPECT_NE(a.hex(32), c.hex(32));
}

TEST(Random, below_reaches_every_value_about_equally_often) {
  Random random(1);
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) ++seen[random.below(7)];
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace sandboxd
