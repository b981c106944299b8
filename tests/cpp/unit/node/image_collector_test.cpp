// Images that nobody needs go; all others stay.
#include "node/image_collector.hpp"

#include "unit/node/node_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace sandboxd::node {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

ports::StoredImage image(const std::string& digest, std::int64_t used_s, bool pulled = true, bool in_use = false) {
  ports::StoredImage out;
  out.digest = digest;
  out.names = {"x/" + digest};
  out.last_used = WallTime{used_s * 1'000'000'000};
  out.is_pulled = pulled;
  out.is_used = in_use;
  return out;
}

TEST(UnusedImages, AreThePulledOnesTheLongestUnusedFirst) {
  const auto chosen = unused_images({image("young", 950), image("b", 20), image("imported", 1, false),
                                     image("busy", 2, true, true), image("a", 20), image("old", 10)},
                                    WallTime{std::int64_t{1000} * 1'000'000'000}, std::chrono::seconds(100));
  std::vector<std::string> digests;
  for (const auto& one : chosen) digests.push_back(one.digest);
  EXPECT_THAT(digests, ElementsAre("old", "a", "b"));
}

class ImageCollectorTest : public NodeFixture {
 protected:
  // Runs a sandbox of the image to its end.
  void use(const std::string& name) {
    auto request = request_of(name);
    ASSERT_TRUE(run(agent_->create(request)));
    ASSERT_TRUE(settle(request.id.str()));
    ASSERT_EQ(phase(request.id.str()), model::Phase::running);
    ASSERT_TRUE(run(agent_->remove(request.id, "")));
  }
  model::NodeCreateRequest request_of(const std::string& name) {
    auto request = simple_request("s" + std::to_string(++count_ % 10));
    request.uid = std::to_string(1000 + count_) + std::string(28, 'b');
    request.spec.containers[0].image = name;
    return request;
  }
  std::vector<std::string> there() {
    const auto& local = runtime_machine_->images.local;
    return {local.begin(), local.end()};
  }
  // Each image takes this share of the disk.
  void take_disk(std::int64_t base_percent, std::int64_t each_percent) {
    const auto measure = [this, base_percent, each_percent](const std::string&) {
      const auto count = static_cast<std::int64_t>(runtime_machine_->images.local.size());
      gauge_.space.free_bytes = gauge_.space.capacity_bytes * (100 - base_percent - each_percent * count) / 100;
    };
    runtime_machine_->images.on_removed = measure;
    measure("");
  }

  int count_ = 0;
};

TEST_F(ImageCollectorTest, AgeRemovesWhatIsNotUsed) {
  config_.image_gc_max_age = hours(24);
  start_agent();
  runtime_machine_->images.local.insert("docker.io/library/imported:1");
  use("old:1");
  pass(hours(20));
  use("young:1");
  ASSERT_TRUE(run(agent_->create(request_of("running:1"))));
  pass(hours(3));
  EXPECT_EQ(there().size(), 4U);
  pass(hours(2));
  EXPECT_THAT(there(), UnorderedElementsAre("docker.io/library/imported:1", "docker.io/library/young:1",
                                            "docker.io/library/running:1"));
  const auto hint = agent_->report().images;
  ASSERT_TRUE(hint);
  EXPECT_THAT(*hint, UnorderedElementsAre("young:1", "running:1"));
  pass(hours(200));
  EXPECT_THAT(there(), UnorderedElementsAre("docker.io/library/imported:1", "docker.io/library/running:1"));
}

TEST_F(ImageCollectorTest, AnImageAgesFromTheEndOfItsLastContainer) {
  config_.image_gc_max_age = hours(24);
  start_agent();
  const auto request = request_of("long:1");
  ASSERT_TRUE(run(agent_->create(request)));
  pass(hours(100));
  ASSERT_TRUE(run(agent_->remove(request.id, "")));
  pass(hours(23));
  EXPECT_THAT(there(), ElementsAre("docker.io/library/long:1"));
  pass(hours(2));
  EXPECT_THAT(there(), IsEmpty());
}

TEST_F(ImageCollectorTest, ZeroKeepsThemForEver) {
  config_.image_gc_max_age = Duration::zero();
  start_agent();
  use("old:1");
  pass(hours(10000));
  EXPECT_THAT(there(), ElementsAre("docker.io/library/old:1"));
}

TEST_F(ImageCollectorTest, AFullDiskRemovesTheLongestUnusedDownToTheLowMark) {
  config_.image_gc_high_percent = 80;
  config_.image_gc_low_percent = 70;
  start_agent();
  for (const char* name : {"a:1", "b:1", "c:1", "d:1"}) {
    use(name);
    pass(minutes(30));
  }
  take_disk(49, 8);  // 81 in all: two must go
  pass(minutes(2));
  EXPECT_THAT(there(), ElementsAre("docker.io/library/c:1", "docker.io/library/d:1"));
  // Below the high mark nothing goes, though it is above the low one.
  take_disk(60, 8);
  pass(hours(2));
  EXPECT_EQ(there().size(), 2U);
}

TEST_F(ImageCollectorTest, AFullDiskSparesWhatWasJustUsed) {
  config_.image_gc_min_age = hours(1);
  start_agent();
  use("old:1");
  pass(hours(2));
  use("fresh:1");
  take_disk(97, 1);
  pass(minutes(5));
  EXPECT_THAT(there(), ElementsAre("docker.io/library/fresh:1"));
}

TEST_F(ImageCollectorTest, ACreationHoldsItsImage) {
  config_.image_gc_min_age = Duration::zero();
  start_agent();
  use("x:1");
  pass(hours(1));
  // The creation stands still between image and container.
  auto info = run(runtime_->ensure_image("x:1"));
  ASSERT_TRUE(info);
  take_disk(97, 1);
  pass(minutes(5));
  EXPECT_THAT(there(), ElementsAre("docker.io/library/x:1"));
  info->hold.reset();
  pass(minutes(5));
  EXPECT_THAT(there(), IsEmpty());
}

TEST_F(ImageCollectorTest, CreatesDuringTheCollectionSucceed) {
  config_.image_gc_min_age = Duration::zero();
  config_.image_gc_max_age = hours(1);
  start_agent();
  take_disk(97, 1);
  for (int i = 0; i < 40; ++i) {
    const auto request = request_of("x:1");
    pass(std::chrono::seconds(67));
    ASSERT_TRUE(run(agent_->create(request)));
    ASSERT_TRUE(settle(request.id.str()));
    ASSERT_EQ(phase(request.id.str()), model::Phase::running) << agent_->get(request.id)->error;
    pass(std::chrono::milliseconds(i * 300));
    ASSERT_TRUE(run(agent_->remove(request.id, "")));
  }
  EXPECT_GT(runtime_machine_->pulls, 1U);
}

TEST_F(ImageCollectorTest, ARuntimeThatFailsIsAskedAgain) {
  config_.image_gc_max_age = hours(1);
  start_agent();
  use("old:1");
  runtime_machine_->fail("remove_image", 1, Error(ErrorCode::runtime_failed, "busy"));
  runtime_machine_->fail("list_images", 2, Error(ErrorCode::runtime_failed, "busy"));
  pass(hours(2));
  EXPECT_THAT(there(), IsEmpty());
}

TEST_F(ImageCollectorTest, OnlyPinnedImagesRunWhereThePolicySaysSo) {
  config_.image_policy = "pinned";
  start_agent();
  const auto refused = run(agent_->create(request_of("busybox:1")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("image \"busybox:1\" is not pinned"));
  const std::string digest = "sha256:" + std::string(64, 'c');
  const auto request = request_of("busybox:1@" + digest);
  ASSERT_TRUE(run(agent_->create(request)));
  ASSERT_TRUE(settle(request.id.str()));
  const auto shown = agent_->get(request.id);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->containers[0].image, "docker.io/library/busybox@" + digest);
  EXPECT_EQ(shown->containers[0].image_digest, digest);
  agent_->use_image_policy("any");
  EXPECT_TRUE(run(agent_->create(request_of("busybox:1"))));
}

TEST_F(ImageCollectorTest, APullIsSeenWhileItIsOn) {
  start_agent();
  const auto request = request_of("slow:1");
  ASSERT_TRUE(run(agent_->create(request)));
  pass(std::chrono::milliseconds(100));
  const auto pulls = agent_->pulls(request.id);
  ASSERT_EQ(pulls.size(), 1U);
  EXPECT_EQ(model::to_text(pulls[0]), "pulling docker.io/library/slow:1: 0 of 1 layers, 0 of 1 MiB");
  ASSERT_TRUE(settle(request.id.str()));
  EXPECT_THAT(agent_->pulls(request.id), IsEmpty());
}

TEST_F(ImageCollectorTest, ACreationThatRunsOutOfTimeSaysWhatItWaitedFor) {
  config_.provision_timeout = std::chrono::milliseconds(200);
  start_agent();
  const auto request = request_of("slow:1");
  ASSERT_TRUE(run(agent_->create(request)));
  ASSERT_TRUE(settle(request.id.str()));
  EXPECT_THAT(agent_->get(request.id)->error, testing::HasSubstr("image \"slow:1\" is still being pulled"));
}

}  // namespace
}  // namespace sandboxd::node
