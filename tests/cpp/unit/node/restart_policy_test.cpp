// When a container is started again, under which name, and how long it waits.
#include "node/restart_policy.hpp"

#include <gtest/gtest.h>

namespace sandboxd::node {
namespace {

using model::RestartPolicy;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(RestartPolicy, asks_for_a_new_start_by_the_exit_code) {
  EXPECT_FALSE(is_restarted(RestartPolicy::never, 1));
  EXPECT_FALSE(is_restarted(RestartPolicy::never, std::nullopt));
  EXPECT_FALSE(is_restarted(RestartPolicy::on_failure, 0));
  EXPECT_TRUE(is_restarted(RestartPolicy::on_failure, 1));
  EXPECT_TRUE(is_restarted(RestartPolicy::on_failure, 137)) << "killed";
  EXPECT_TRUE(is_restarted(RestartPolicy::on_failure, std::nullopt)) << "nobody saw how it ended";
  EXPECT_TRUE(is_restarted(RestartPolicy::always, 0));
}

TEST(RestartPolicy, names_every_life) {
  EXPECT_EQ(next_life("sbx-0-5d1f-0"), "sbx-0-5d1f-0r1");
  EXPECT_EQ(next_life("sbx-0-5d1f-0r1"), "sbx-0-5d1f-0r2");
  EXPECT_EQ(next_life("sbx-0-5d1f-12r9"), "sbx-0-5d1f-12r10");
  EXPECT_EQ(next_life("sbx-0-5d1f-p"), "sbx-0-5d1f-pr1");
  EXPECT_EQ(next_life("sbx-r1-5d1f-0"), "sbx-r1-5d1f-0r1") << "an instance called r1";
}

TEST(BackOff, doubles_to_half_a_minute_and_begins_anew_after_a_long_life) {
  BackOff back_off;
  MonoTime now{1};
  for (const Duration pause : {Duration(milliseconds(100)), Duration(milliseconds(200)), Duration(milliseconds(400))}) {
    EXPECT_EQ(back_off.next(now), pause);
    back_off.started(now);
    now = now + seconds(1);
  }
  for (int i = 0; i < 20; ++i) static_cast<void>(back_off.next(now));
  EXPECT_EQ(back_off.next(now), seconds(30));
  back_off.started(now);
  EXPECT_EQ(back_off.next(now + minutes(10) + -milliseconds(1)), seconds(30));
  back_off.started(now);
  EXPECT_EQ(back_off.next(now + minutes(10)), milliseconds(100));
}

}  // namespace
}  // namespace sandboxd::node
