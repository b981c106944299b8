// Pausing, ending and making again; and what is metered meanwhile.
#include "contract/runtime/runtime_fixture.hpp"

namespace sandboxd::test {
namespace {

using ports::FoundContainer;

class LifeContract : public RuntimeContract {
 protected:
  // Ends by itself with 9 when it is asked to. (The memory runtime knows only that it ends.)
  ports::ContainerRequest polite(const std::string& name) {
    return request(name, {"sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.05; done"});
  }
  ports::ContainerRequest running(const std::string& name) {
    auto container = request(name, {"sleep", "1000"});
    container.keeps_files = true;
    create_started(container);
    return container;
  }
  FoundContainer::Task task(const std::string& key) { return find(key).task; }
};

TEST_P(LifeContract, APausedContainerStandsStillUntilItIsResumed) {
  const auto container = running("pause");
  for (int twice = 0; twice < 2; ++twice) {
    const auto paused = world_->run(runtime().pause(container.key));
    ASSERT_TRUE(paused) << paused.error().message();
    EXPECT_EQ(task(container.key), FoundContainer::Task::paused);
  }
  for (int twice = 0; twice < 2; ++twice) {
    const auto resumed = world_->run(runtime().resume(container.key));
    ASSERT_TRUE(resumed) << resumed.error().message();
    EXPECT_EQ(task(container.key), FoundContainer::Task::running);
  }
}

TEST_P(LifeContract, APauseOutlivesTheAgent) {
  const auto container = running("pause-restart");
  ASSERT_TRUE(world_->run(runtime().pause(container.key)));
  world_->restart();
  EXPECT_EQ(task(container.key), FoundContainer::Task::paused);
  ASSERT_TRUE(world_->run(runtime().resume(container.key)));
  EXPECT_EQ(task(container.key), FoundContainer::Task::running);
}

TEST_P(LifeContract, WhatIsNotThereCannotBePaused) {
  for (const auto& refused : {world_->run(runtime().pause(world_->prefix() + "never")),
                              world_->run(runtime().resume(world_->prefix() + "never"))}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::not_found) << refused.error().message();
  }
}

TEST_P(LifeContract, WhoIsAskedToStopEnds) {
  (void)world_->run(runtime().list());
  const auto container = polite("polite");
  create_started(container);
  // A shell needs a moment until it listens.
  ports::ContainerExited exit;
  while (exit.key.empty()) {
    const auto asked = world_->run(runtime().ask_to_stop(container.key));
    ASSERT_TRUE(asked) << asked.error().message();
    if (task(container.key) == FoundContainer::Task::stopped) exit = wait_exit(container.key);
  }
  EXPECT_NE(exit.exit_code, 0);
  EXPECT_TRUE(world_->run(runtime().ask_to_stop(container.key))) << "nothing runs any more";
  EXPECT_TRUE(world_->run(runtime().ask_to_stop(world_->prefix() + "never")));
}

TEST_P(LifeContract, AnEndedTaskLeavesItsRecordForAnother) {
  const auto container = running("ended");
  const auto ended = world_->run(runtime().end_task(container.key));
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(*ended, 137);
  EXPECT_EQ(find(container.key).key, container.key);
  EXPECT_EQ(task(container.key), FoundContainer::Task::none);
  const auto again = world_->run(runtime().end_task(container.key));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, std::nullopt);
  world_->restart();
  EXPECT_EQ(task(container.key), FoundContainer::Task::none);

  auto next = container;
  next.again = true;
  create_started(next);
  EXPECT_EQ(task(container.key), FoundContainer::Task::running);
  EXPECT_EQ(find(container.key).uid, container.uid);
}

TEST_P(LifeContract, APausedTaskCanBeEnded) {
  const auto container = running("ended-paused");
  ASSERT_TRUE(world_->run(runtime().pause(container.key)));
  const auto ended = world_->run(runtime().end_task(container.key));
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(task(container.key), FoundContainer::Task::none);
}

TEST_P(LifeContract, EndingWhatNeverWasSucceeds) {
  const auto ended = world_->run(runtime().end_task(world_->prefix() + "never"));
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(*ended, std::nullopt);
}

TEST_P(LifeContract, WhatWasNeverMadeCannotBeMadeAgain) {
  auto container = request("never-made", {"sleep", "1000"});
  container.again = true;
  const auto made = create(container);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::not_found) << made.error().message();
  EXPECT_EQ(find(container.key).key, "");
}

TEST_P(LifeContract, AnExitCodeIsKeptByTheEndOfItsTask) {
  (void)world_->run(runtime().list());
  const auto container = request("exited", {"sh", "-c", "exit 7"});
  create_started(container);
  (void)wait_exit(container.key);
  const auto ended = world_->run(runtime().end_task(container.key));
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(*ended, 7);
}

TEST_P(LifeContract, UsageIsOfWhatRuns) {
  const auto container = running("metered");
  world_->note_running(container.key, 256 << 20);
  const std::string never = world_->prefix() + "never";
  const auto read = world_->run(world_->meter().read({container.key, never}));
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 1U) << "what is not there is left out";
  const auto& usage = read->at(container.key);
  EXPECT_GT(usage.memory_bytes, 0);
  EXPECT_EQ(usage.memory_limit_bytes, 256 << 20);
  EXPECT_GE(usage.pids, 1);
  EXPECT_GT(usage.cpu_nanos, 0);
  const auto nothing = world_->run(world_->meter().read({}));
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->empty());
}

INSTANTIATE_TEST_SUITE_P(Runtimes, LifeContract, testing::ValuesIn(runtime_factories()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sandboxd::test
