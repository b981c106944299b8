#include "base/time.hpp"

#include <gtest/gtest.h>

namespace sandboxd {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Time, formats_without_trailing_zeros) {
  EXPECT_EQ(format_rfc3339({0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339({1'767'323'045'120'000'000}), "2026-01-02T03:04:05.12Z");
  EXPECT_EQ(format_rfc3339_fixed({1'767'323'045'120'000'000}), "2026-01-02T03:04:05.120000000Z");
  EXPECT_EQ(format_rfc3339({-1}), "1969-12-31T23:59:59.999999999Z");
}

TEST(Time, parses_what_it_formats_and_zones) {
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.12Z"), WallTime{1'767'323'045'120'000'000});
  EXPECT_EQ(parse_rfc3339("2026-01-02T05:04:05.12+02:00"), WallTime{1'767'323'045'120'000'000});
  EXPECT_EQ(parse_rfc3339("1969-12-31T23:59:59.999999999Z"), WallTime{-1});
}

TEST(Time, refuses_what_is_not_a_time) {
  for (const char* text :
       {"", "2026-01-02", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z", "2026-01-02T25:04:05Z", "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+2:00", "hello", "9999-01-02T03:04:05Z"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(Duration, reads_the_forms_of_go) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("10s"), seconds(10));
  EXPECT_EQ(parse_duration("1h30m"), minutes(90));
  EXPECT_EQ(parse_duration("1.5s"), milliseconds(1500));
  EXPECT_EQ(parse_duration("-2h"), -hours(2));
  EXPECT_EQ(parse_duration("0"), seconds(0));
  for (const char* text : {"", "10", "s", "1x", "1 s", "-", "1e3s"}) EXPECT_FALSE(parse_duration(text)) << text;
}

}  // namespace
}  // namespace sandboxd
