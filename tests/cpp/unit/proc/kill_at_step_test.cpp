#include "proc/kill_at_step.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace sandboxd::proc {
namespace {

TEST(KillAtStep, ReadsStepAndCount) {
  EXPECT_EQ(KillAtStep::parse("create.task:3").value().remaining(), 3u);
  EXPECT_EQ(KillAtStep::parse("create.task").value().remaining(), 1u);
  for (const char* text : {"", ":1", "a:", "a:0", "a:-1", "a:1x"}) {
    const auto refused = KillAtStep::parse(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument) << text;
  }
}

TEST(KillAtStep, OtherStepsDoNotCount) {
  auto observer = KillAtStep::parse("create.task:1").value();
  observer.reached("create.slot_claimed", SandboxId("a"));
  EXPECT_EQ(observer.remaining(), 1u);
}

TEST(KillAtStepDeathTest, KillsAtTheCountedTime) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        auto observer = KillAtStep::parse("create.task:2").value();
        observer.reached("create.task", SandboxId("a"));
        std::fprintf(stderr, "alive after the first\n");
        observer.reached("create.task", SandboxId("b"));
        std::fprintf(stderr, "alive after the second\n");
        std::_Exit(0);
      },
      ::testing::KilledBySignal(SIGKILL), "alive after the first\n$");
}

}  // namespace
}  // namespace sandboxd::proc
