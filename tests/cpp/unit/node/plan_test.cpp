#include "node/container_plan.hpp"
#include "node/converge.hpp"
#include "unit/node/node_fixture.hpp"

namespace sandboxd::node {
namespace {

constexpr std::int64_t kMiB = 1024 * 1024;

TEST(SplitStorage, follows_the_originals_examples) {
  EXPECT_EQ(split_storage(64 * kMiB, 80), (StorageSplit{48 * kMiB, 16 * kMiB}));
  EXPECT_EQ(split_storage(100 * kMiB, 80), (StorageSplit{80 * kMiB, 20 * kMiB}));
  EXPECT_EQ(split_storage(10 * kMiB, 80), (StorageSplit{8 * kMiB, 2 * kMiB}));
}

TEST(KeyPrefix, is_made_of_instance_and_uid) {
  EXPECT_EQ(key_prefix("ab", "0123456789abcdef0123"), "sbx-ab-0123456789abcdef-");
  EXPECT_EQ(key_prefix("ab", "not hex").size(), std::string("sbx-ab-0123456789abcdef-").size());
  EXPECT_NE(key_prefix("ab", "not hex"), key_prefix("ab", "not hey"));
}

TEST(PlanContainer, tmp_is_a_tmpfs_unless_the_container_mounts_its_own) {
  NodeConfig config;
  auto sandbox = plan_sandbox(config, simple_request("a"), {});
  ASSERT_EQ(plan_container(config, sandbox, 0, {}, {}).container.tmpfs.size(), 1U);
  sandbox.spec.containers[0].tmpfs = {{"/tmp", "size=1m"}};
  EXPECT_EQ(plan_container(config, sandbox, 0, {}, {}).container.tmpfs[0].options, "size=1m");
}

TEST(PlanContainer, writes_are_bounded_by_the_ephemeral_storage_or_its_default) {
  NodeConfig config;
  config.default_ephemeral_storage = 128 * kMiB;
  auto sandbox = plan_sandbox(config, simple_request("a"), {});
  auto plan = plan_container(config, sandbox, 0, {}, {});
  EXPECT_EQ(plan.root_bytes, split_storage(128 * kMiB, 80).root_bytes);
  EXPECT_EQ(plan.volume_bytes, 128 * kMiB);
  sandbox.spec.containers[0].resources.ephemeral_storage_bytes = {64 * kMiB, "64Mi"};
  plan = plan_container(config, sandbox, 0, {}, {});
  EXPECT_EQ(plan.root_bytes, 48 * kMiB);
  EXPECT_EQ(plan.volume_bytes, 64 * kMiB);
}

TEST(Judge, decides_by_phase_and_by_what_is_found) {
  NodeConfig config;
  auto record = plan_sandbox(config, simple_request("a"), {});
  record.slot = "sbx0-00000001";
  ports::FoundContainer container;
  container.key = record.containers[0].key;
  container.task = ports::FoundContainer::Task::running;
  const Found all = index_found({container}, {{"sbx0-00000001", "/run/netns/x", "10.0.0.2"}});
  const Found nothing;
  EXPECT_EQ(judge(record, all), Verdict::resume);
  EXPECT_EQ(judge(record, nothing), Verdict::redo);
  record.phase = model::Phase::running;
  EXPECT_EQ(judge(record, all), Verdict::keep);
  EXPECT_EQ(judge(record, nothing), Verdict::ended);
  record.phase = model::Phase::failed;
  EXPECT_EQ(judge(record, all), Verdict::release);
  EXPECT_EQ(judge(record, nothing), Verdict::none);
  record.phase = model::Phase::deleting;
  EXPECT_EQ(judge(record, nothing), Verdict::erase);
}

}  // namespace
}  // namespace sandboxd::node
