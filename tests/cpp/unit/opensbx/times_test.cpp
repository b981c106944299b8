#include "orch/api/opensbx/times.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kAt{1'767'323'045'120'000'000};  // 2026-01-02T03:04:05.12Z

TEST(OpensbxTimes, durations_are_rounded_as_docker_rounds_them) {
  const std::pair<Duration, std::string_view> cases[] = {
      {milliseconds(999), "Less than a second"},
      {seconds(-5), "Less than a second"},
      {seconds(1), "1 second"},
      {seconds(59), "59 seconds"},
      {seconds(60), "About a minute"},
      {seconds(119), "About a minute"},
      {minutes(2), "2 minutes"},
      {minutes(59), "59 minutes"},
      {minutes(60), "About an hour"},
      {minutes(89), "About an hour"},
      {minutes(90), "2 hours"},
      {hours(47), "47 hours"},
      {hours(48), "2 days"},
      {hours(24 * 13), "13 days"},
      {hours(24 * 14), "2 weeks"},
      {hours(24 * 59), "8 weeks"},
      {hours(24 * 60), "2 months"},
      {hours(24 * 365), "12 months"},
      {hours(24 * 365 * 2), "2 years"},
  };
  for (const auto& [duration, text] : cases) EXPECT_EQ(human_duration(duration), text) << duration.count();
}

TEST(OpensbxTimes, a_zone_stands_behind_the_time) {
  EXPECT_EQ(format_at_offset(kAt, 0), "2026-01-02T03:04:05.12Z");
  EXPECT_EQ(format_at_offset(kAt, 2 * 3600), "2026-01-02T05:04:05.12+02:00");
  EXPECT_EQ(format_at_offset(kAt, -(3 * 3600 + 1800)), "2026-01-01T23:34:05.12-03:30");
}

TEST(OpensbxTimes, commands_count_milliseconds) { EXPECT_EQ(unix_millis(kAt), 1'767'323'045'120); }

TEST(OpensbxTimes, lists_show_the_time_of_day_of_recent_files_and_the_year_of_others) {
  EXPECT_EQ(list_date(kAt, kAt + hours(1)), "Jan  2 03:04");
  EXPECT_EQ(list_date(kAt, kAt + hours(24 * 300)), "Jan  2  2026");
  EXPECT_EQ(list_date(kAt + hours(1), kAt), "Jan  2  2026") << "of the future";
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
