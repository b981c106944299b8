#include "orch/api/opensbx/names.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace sandboxd::orch::opensbx {
namespace {

TEST(OpensbxNames, are_two_words_with_a_hyphen_fit_for_host_names) {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const std::string name = draw_name(random, 0);
    EXPECT_EQ(std::ranges::count(name, '-'), 1) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos) << name;
    EXPECT_LE(name.size(), 63U) << name;
  }
}

TEST(OpensbxNames, wozniak_is_never_boring) {
  Random random(2);
  for (int i = 0; i < 100'000; ++i) ASSERT_NE(draw_name(random, 0), "boring-wozniak");
}

TEST(OpensbxNames, are_many) {
  EXPECT_GE(adjective_count(), 100U);
  EXPECT_GE(surname_count(), 230U);
  Random random(3);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(draw_name(random, 0));
  EXPECT_GT(seen.size(), 900U);
}

TEST(OpensbxNames, get_four_digits_after_ten_draws) {
  Random random(4);
  const std::string name = draw_name(random, kPlainNameDraws);
  EXPECT_EQ(std::ranges::count(name, '-'), 2) << name;
  const std::string digits = name.substr(name.rfind('-') + 1);
  EXPECT_EQ(digits.size(), 4U);
  EXPECT_EQ(digits.find_first_not_of("0123456789"), std::string::npos);
  EXPECT_EQ(std::ranges::count(draw_name(random, kPlainNameDraws - 1), '-'), 1);
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
