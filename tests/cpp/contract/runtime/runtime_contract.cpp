#include "aio/task_group.hpp"
#include "contract/runtime/runtime_fixture.hpp"

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace sandboxd::test {
namespace {

using ports::ContainerRequest;
using ports::ContainerRole;
using ports::FoundContainer;
using testing::HasSubstr;

TEST_P(RuntimeContract, AnswersACheck) {
  const auto ready = world_->run(runtime().check());
  EXPECT_TRUE(ready) << ready.error().message();
}

TEST_P(RuntimeContract, KnowsWhatTheImageRuns) {
  EXPECT_EQ(image_.command, (std::vector<std::string>{"sh", "-c", "echo from the image"}));
  EXPECT_EQ(image_.work_dir, "/work");
  EXPECT_THAT(image_.env, testing::Contains("IMAGE_SAYS=hello"));
  EXPECT_THAT(image_.digest, testing::StartsWith("sha256:"));
  EXPECT_THAT(image_.reference, testing::StartsWith("docker.io/library/"));
}

TEST_P(RuntimeContract, ReportsTheExitCode) {
  (void)world_->run(runtime().list());
  const auto container = request("exit", {"sh", "-c", "exit 7"});
  create_started(container);
  const auto exit = wait_exit(container.key);
  EXPECT_EQ(exit.exit_code, 7);
  EXPECT_GT(exit.at.ns, 0);
  const auto found = find(container.key);
  EXPECT_EQ(found.task, FoundContainer::Task::stopped);
  EXPECT_EQ(found.exit_code, 7);
}

TEST_P(RuntimeContract, ACreatedContainerWaitsForItsStart) {
  const auto container = request("waits", {"sleep", "1000"});
  const auto made = create(container);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(find(container.key).task, FoundContainer::Task::created);
  ASSERT_TRUE(world_->run(runtime().start(container.key)));
  const auto found = find(container.key);
  EXPECT_EQ(found.task, FoundContainer::Task::running);
  EXPECT_GT(found.pid, 0U);
}

TEST_P(RuntimeContract, RemovesWhatWasNeverStarted) {
  const auto container = request("unstarted", {"sleep", "1000"});
  ASSERT_TRUE(create(container));
  const auto gone = world_->run(runtime().remove(container.key));
  EXPECT_TRUE(gone) << gone.error().message();
  EXPECT_EQ(find(container.key).key, "");
}

TEST_P(RuntimeContract, RemoveKillsAndIsIdempotent) {
  const auto container = request("removed", {"sleep", "1000"});
  create_started(container);
  for (int i = 0; i < 2; ++i) {
    const auto gone = world_->run(runtime().remove(container.key));
    EXPECT_TRUE(gone) << gone.error().message();
  }
  EXPECT_EQ(find(container.key).key, "");
  // The key is free again.
  create_started(container);
}

TEST_P(RuntimeContract, RemovingWhatNeverWasSucceeds) {
  EXPECT_TRUE(world_->run(runtime().remove(world_->prefix() + "never")));
}

TEST_P(RuntimeContract, ListSurvivesARestartOfTheAgent) {
  const auto running = request("survivor", {"sleep", "1000"});
  const auto done = request("done", {"sh", "-c", "sleep 0.5; exit 4"});
  (void)world_->run(runtime().list());
  create_started(running);
  create_started(done);
  (void)wait_exit(done.key);
  const auto pid = find(running.key).pid;
  world_->restart();
  const auto found = find(running.key);
  EXPECT_EQ(found.sandbox, running.sandbox);
  EXPECT_EQ(found.uid, running.uid);
  EXPECT_EQ(found.task, FoundContainer::Task::running);
  EXPECT_EQ(found.pid, pid);
  EXPECT_EQ(find(done.key).exit_code, 4);
  // And events of containers that an earlier process made arrive.
  ASSERT_TRUE(world_->run(runtime().remove(done.key)));
  const auto later = request("later", {"sh", "-c", "exit 5"});
  ASSERT_TRUE(create(later));
  world_->restart();
  (void)world_->run(runtime().list());
  ASSERT_TRUE(world_->run(runtime().start(later.key)));
  EXPECT_EQ(wait_exit(later.key).exit_code, 5);
}

TEST_P(RuntimeContract, ACommandThatDoesNotExistIsNamedAndLeavesNothing) {
  const auto container = request("nope", {"/no/such/command"});
  auto outcome = create(container);
  if (outcome) {
    const auto started = world_->run(runtime().start(container.key));
    outcome = started ? Result<void>() : Result<void>(started.error());
    EXPECT_TRUE(world_->run(runtime().remove(container.key)));
  }
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), ErrorCode::runtime_failed);
  EXPECT_THAT(outcome.error().message(), HasSubstr("/no/such/command"));
  EXPECT_EQ(find(container.key).key, "");
}

TEST_P(RuntimeContract, AMissingImageFailsWithItsReference) {
  const auto missing = world_->run(runtime().ensure_image("127.0.0.1:1/no/such:image"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::image_failed);
  EXPECT_THAT(missing.error().message(), testing::StartsWith("pull image \"127.0.0.1:1/no/such:image\": "));
}

TEST_P(RuntimeContract, AMalformedReferenceIsTheCallersMistake) {
  const auto malformed = world_->run(runtime().ensure_image("UPPER/case"));
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().code(), ErrorCode::invalid_argument);
}

TEST_P(RuntimeContract, StoredImagesAreListedWithTheirUse) {
  const std::string name = world_->spare_image();
  const auto find_image = [&]() -> std::optional<ports::StoredImage> {
    const auto images = world_->run(runtime().list_images());
    EXPECT_TRUE(images) << images.error().message();
    for (const ports::StoredImage& image : *images) {
      if (std::find(image.names.begin(), image.names.end(), name) != image.names.end()) return image;
    }
    return std::nullopt;
  };
  auto info = world_->run(runtime().ensure_image(name));
  ASSERT_TRUE(info) << info.error().message();
  const auto held = find_image();
  ASSERT_TRUE(held);
  EXPECT_EQ(held->digest, info->digest);
  EXPECT_TRUE(held->is_used);
  EXPECT_FALSE(held->is_pulled);
  EXPECT_GT(held->size_bytes, 0);
  EXPECT_GT(held->last_used.ns, 0);
  info->hold.reset();
  EXPECT_FALSE(find_image()->is_used);
  // Its use is known to the next process.
  world_->restart();
  EXPECT_GT(find_image()->last_used.ns, 0);
  EXPECT_TRUE(world_->run(runtime().remove_image(name)));
  EXPECT_FALSE(find_image());
}

TEST_P(RuntimeContract, AnImageInUseIsNotRemoved) {
  const std::string name = world_->spare_image();
  auto info = world_->run(runtime().ensure_image(name));
  ASSERT_TRUE(info) << info.error().message();
  const std::string digest = info->digest;
  // About to be used ...
  EXPECT_EQ(world_->run(runtime().remove_image(name)).error().code(), ErrorCode::conflict);
  auto container = request("user-of-spare", {"sleep", "1000"});
  container.image = *info;
  create_started(container);
  container.image.hold.reset();
  info->hold.reset();
  // ... and used.
  EXPECT_EQ(world_->run(runtime().remove_image(digest)).error().code(), ErrorCode::conflict);
  ASSERT_TRUE(world_->run(runtime().remove(container.key)));
  const auto removed = world_->run(runtime().remove_image(digest));
  EXPECT_TRUE(removed) << removed.error().message();
}

TEST_P(RuntimeContract, ARemovedImageIsGone) {
  const std::string name = world_->spare_image();
  ASSERT_TRUE(world_->run(runtime().remove_image(name)));
  EXPECT_EQ(world_->run(runtime().remove_image(name)).error().code(), ErrorCode::not_found);
  EXPECT_EQ(world_->run(runtime().remove_image("sha256:" + std::string(64, '0'))).error().code(), ErrorCode::not_found);
  EXPECT_EQ(world_->run(runtime().remove_image("UPPER/case")).error().code(), ErrorCode::invalid_argument);
  EXPECT_FALSE(runtime().pull_progress(name));
  // What shares its layers goes on.
  create_started(request("neighbour", {"sleep", "1000"}));
}

TEST_P(RuntimeContract, AKeyIsGivenOnce) {
  const auto container = request("twice", {"sleep", "1000"});
  create_started(container);
  const auto again = create(container);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::already_exists);
  EXPECT_EQ(find(container.key).task, FoundContainer::Task::running);
}

TEST_P(RuntimeContract, AnUnknownHandlerIsRefused) {
  auto container = request("handler", {"true"});
  container.handler = "magic";
  const auto refused = create(container);
  ASSERT_FALSE(refused);
  EXPECT_EQ(find(container.key).key, "");
}

TEST_P(RuntimeContract, TwoAtOnceDoNotMix) {
  (void)world_->run(runtime().list());
  std::map<std::string, int> codes;
  const auto both = [](RuntimeHarness* world, ContainerRequest container, int* pending) -> Task<void> {
    const std::string key = container.key;
    const auto made = co_await world->runtime().create(container);
    EXPECT_TRUE(made) << made.error().message();
    const auto started = co_await world->runtime().start(key);
    EXPECT_TRUE(started) << started.error().message();
    --*pending;
  };
  int pending = 2;
  const auto one = request("one", {"sh", "-c", "exit 1"});
  const auto two = request("two", {"sh", "-c", "exit 2"});
  made_.insert(one.key);
  made_.insert(two.key);
  aio::TaskGroup makers(world_->io().get_executor());
  makers.spawn("one", both(world_.get(), one, &pending));
  makers.spawn("two", both(world_.get(), two, &pending));
  while (codes.size() < 2) {
    const auto event = world_->run(runtime().next_event());
    ASSERT_TRUE(event) << event.error().message();
    if (const auto* exit = std::get_if<ports::ContainerExited>(&*event)) codes[exit->key] = exit->exit_code;
  }
  while (pending > 0) world_->io().run_one();
  EXPECT_EQ(codes[one.key], 1);
  EXPECT_EQ(codes[two.key], 2);
}

TEST_P(RuntimeContract, MemoryOveruseIsReported) {
  (void)world_->run(runtime().list());
  auto container = request("oom", {"dd", "if=/dev/zero", "of=/dev/null", "bs=1G", "count=1"});
  container.container.resources.limit_memory_bytes.value = 96 << 20;
  create_started(container);
  bool out_of_memory = false;
  const auto exit = wait_exit(container.key, &out_of_memory);
  EXPECT_NE(exit.exit_code, 0);
  // The two events have no order between them.
  for (int i = 0; !out_of_memory && i < 1; ++i) {
    const auto event = world_->run(runtime().next_event());
    ASSERT_TRUE(event) << event.error().message();
    out_of_memory = std::holds_alternative<ports::ContainerOutOfMemory>(*event);
  }
  EXPECT_TRUE(out_of_memory);
}

TEST_P(RuntimeContract, APodOfThreeSharesItsRoot) {
  (void)world_->run(runtime().list());
  auto root = request("pod", {});
  root.role = ContainerRole::pod_root;
  root.image = {};
  create_started(root);
  auto member = request("member", {"sleep", "1000"});
  auto brief = request("brief", {"sh", "-c", "exit 6"});
  for (ContainerRequest* one : {&member, &brief}) {
    one->role = ContainerRole::pod_member;
    one->pod_key = root.key;
    one->sandbox = root.sandbox;
    create_started(*one);
  }
  EXPECT_EQ(wait_exit(brief.key).exit_code, 6);
  EXPECT_EQ(find(member.key).task, FoundContainer::Task::running);
  EXPECT_EQ(find(root.key).task, FoundContainer::Task::running);
  for (const std::string& key : {brief.key, member.key, root.key}) {
    const auto gone = world_->run(runtime().remove(key));
    EXPECT_TRUE(gone) << gone.error().message();
  }
  EXPECT_EQ(find(root.key).key, "");
}

INSTANTIATE_TEST_SUITE_P(Runtimes, RuntimeContract, testing::ValuesIn(runtime_factories()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sandboxd::test
