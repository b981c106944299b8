#include "proc/statvfs_gauge.hpp"

#include <gtest/gtest.h>

namespace sandboxd::proc {
namespace {

TEST(StatvfsGauge, reads_the_file_system_of_a_path) {
  StatvfsGauge gauge("/");
  const auto space = gauge.read();
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_GT(space->capacity_bytes, 0);
  EXPECT_GE(space->free_bytes, 0);
  EXPECT_LE(space->free_bytes, space->capacity_bytes);
}

TEST(StatvfsGauge, names_a_path_that_is_not_there) {
  StatvfsGauge gauge("/nowhere/at/all");
  const auto space = gauge.read();
  ASSERT_FALSE(space);
  EXPECT_NE(space.error().message().find("/nowhere/at/all"), std::string::npos);
}

}  // namespace
}  // namespace sandboxd::proc
