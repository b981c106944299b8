#include "base/histogram.hpp"

#include <gtest/gtest.h>

namespace sandboxd {
namespace {

TEST(Histogram, a_value_is_counted_in_the_first_bucket_that_it_fits) {
  Histogram histogram;
  histogram.add(Duration(0));
  histogram.add(Histogram::kBounds[0]);
  histogram.add(Histogram::kBounds[0] + Duration(1));
  histogram.add(std::chrono::hours(1));
  EXPECT_EQ(histogram.bucket(0), 2U);
  EXPECT_EQ(histogram.bucket(1), 1U);
  EXPECT_EQ(histogram.bucket(Histogram::kBounds.size()), 1U);
  EXPECT_EQ(histogram.count(), 4U);
  EXPECT_EQ(histogram.sum(), 2 * Histogram::kBounds[0] + Duration(1) + std::chrono::hours(1));
}

TEST(Histogram, bounds_grow) { EXPECT_TRUE(std::ranges::is_sorted(Histogram::kBounds)); }

}  // namespace
}  // namespace sandboxd
