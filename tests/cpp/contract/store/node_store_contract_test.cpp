// What every ports::NodeStore promises, run against SQLite in a file, SQLite on a disk with faults, and the simulated
// one.
#include "harness.hpp"
#include "support/sample_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::test {
namespace {

using ports::NodeStoreContents;
using ports::Tombstone;

class NodeStoreContract : public testing::TestWithParam<Kind<ports::NodeStore>> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    reopen();
  }

  void reopen() {
    store_.reset();
    auto opened = harness_->open();
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = std::move(*opened);
  }

  Result<void> put(model::NodeSandbox sandbox) { return run_task(context_, store_->put(std::move(sandbox))); }
  Result<void> erase(Tombstone tombstone) { return run_task(context_, store_->erase(std::move(tombstone))); }
  NodeStoreContents load() { return run_task(context_, store_->load()).value(); }
  NodeStoreContents load_reopened() {
    reopen();
    return load();
  }

  std::unique_ptr<Harness<ports::NodeStore>> harness_;
  boost::asio::io_context context_;
  std::unique_ptr<ports::NodeStore> store_;
};

class NodeStoreFaultContract : public NodeStoreContract {};

std::vector<std::string> ids_of(const NodeStoreContents& contents) {
  std::vector<std::string> ids;
  for (const auto& sandbox : contents.sandboxes) ids.push_back(sandbox.id.str());
  return ids;
}

std::vector<std::string> lives_of(const NodeStoreContents& contents) {
  std::vector<std::string> lives;
  for (const Tombstone& t : contents.tombstones) {
    lives.push_back(t.id.str() + "/" + t.uid + "@" + std::to_string(t.deleted_at.ns));
  }
  return lives;
}

Tombstone grave(const std::string& id, const std::string& uid, std::int64_t at = 5) {
  return {SandboxId(id), uid, WallTime{at}};
}

TEST_P(NodeStoreContract, a_new_store_is_empty) {
  const auto contents = load();
  EXPECT_TRUE(contents.sandboxes.empty());
  EXPECT_TRUE(contents.tombstones.empty());
}

TEST_P(NodeStoreContract, records_come_back_whole_and_sorted) {
  ASSERT_TRUE(put(full_node_sandbox("b")));
  ASSERT_TRUE(put(full_node_sandbox("a")));
  ASSERT_TRUE(put({}));
  const auto contents = load_reopened();
  EXPECT_THAT(contents.sandboxes,
              testing::ElementsAre(model::NodeSandbox{}, full_node_sandbox("a"), full_node_sandbox("b")));
}

TEST_P(NodeStoreContract, a_put_replaces_the_record) {
  ASSERT_TRUE(put(full_node_sandbox("a")));
  model::NodeSandbox next;
  next.id = SandboxId("a");
  ASSERT_TRUE(put(next));
  EXPECT_THAT(load_reopened().sandboxes, testing::ElementsAre(next));
}

TEST_P(NodeStoreContract, erasing_leaves_a_tombstone_for_that_life) {
  ASSERT_TRUE(put(full_node_sandbox("a")));
  ASSERT_TRUE(erase(grave("a", "u1")));
  EXPECT_THAT(ids_of(load()), testing::IsEmpty());
  ASSERT_TRUE(put(full_node_sandbox("a")));
  ASSERT_TRUE(erase(grave("a", "u2", 6)));
  const auto contents = load_reopened();
  EXPECT_TRUE(contents.sandboxes.empty());
  EXPECT_THAT(lives_of(contents), testing::ElementsAre("a/u1@5", "a/u2@6"));
}

TEST_P(NodeStoreContract, erasing_without_a_uid_leaves_no_tombstone) {
  ASSERT_TRUE(put(full_node_sandbox("a")));
  ASSERT_TRUE(erase(grave("a", "")));
  const auto contents = load_reopened();
  EXPECT_TRUE(contents.sandboxes.empty());
  EXPECT_TRUE(contents.tombstones.empty());
}

TEST_P(NodeStoreContract, erasing_twice_or_the_unknown_is_fine) {
  ASSERT_TRUE(erase(grave("a", "u1", 8)));
  ASSERT_TRUE(erase(grave("a", "u1", 7)));
  EXPECT_THAT(lives_of(load_reopened()), testing::ElementsAre("a/u1@8"));
}

TEST_P(NodeStoreContract, old_tombstones_are_forgotten) {
  for (const std::int64_t at : {1, 2, 3}) ASSERT_TRUE(erase(grave("a", "u" + std::to_string(at), at)));
  ASSERT_TRUE(run_task(context_, store_->forget_tombstones(WallTime{2})));
  EXPECT_THAT(lives_of(load_reopened()), testing::ElementsAre("a/u2@2", "a/u3@3"));
}

TEST_P(NodeStoreContract, concurrent_calls_all_take_effect) {
  std::vector<Task<Result<void>>> tasks;
  for (int i = 0; i < 200; ++i) tasks.push_back(store_->put(full_node_sandbox("s" + std::to_string(i))));
  for (const auto& outcome : run_all(context_, std::move(tasks))) EXPECT_TRUE(outcome);
  EXPECT_EQ(load_reopened().sandboxes.size(), 200U);
}

TEST_P(NodeStoreContract, concurrent_calls_for_one_id_take_effect_in_their_order) {
  std::vector<Task<Result<void>>> tasks;
  model::NodeSandbox last = full_node_sandbox("a");
  last.error = "the last one";
  tasks.push_back(store_->put(full_node_sandbox("a")));
  tasks.push_back(store_->erase(grave("a", "u1")));
  tasks.push_back(store_->put(last));
  tasks.push_back(store_->put(full_node_sandbox("b")));
  tasks.push_back(store_->erase(grave("b", "u2")));
  for (const auto& outcome : run_all(context_, std::move(tasks))) EXPECT_TRUE(outcome);
  const auto contents = load_reopened();
  EXPECT_THAT(contents.sandboxes, testing::ElementsAre(last));
  EXPECT_THAT(lives_of(contents), testing::ElementsAre("a/u1@5", "b/u2@5"));
}

TEST_P(NodeStoreContract, a_second_store_on_the_same_contents_is_refused) {
  const auto second = harness_->open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::conflict);
}

TEST_P(NodeStoreFaultContract, a_full_disk_changes_nothing_and_is_forgotten_when_there_is_room) {
  ASSERT_TRUE(put(full_node_sandbox("before")));
  harness_->set_full(true);
  model::NodeSandbox large = full_node_sandbox("large");
  large.error = std::string(100'000, 'x');
  const auto failed = put(large);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_THAT(ids_of(load()), testing::ElementsAre("before"));
  harness_->set_full(false);
  ASSERT_TRUE(put(large));
  EXPECT_THAT(ids_of(load_reopened()), testing::ElementsAre("before", "large"));
}

TEST_P(NodeStoreFaultContract, every_one_of_several_concurrent_calls_learns_of_a_failure) {
  harness_->lose_power();
  std::vector<Task<Result<void>>> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(store_->put(full_node_sandbox("s" + std::to_string(i))));
  for (const auto& outcome : run_all(context_, std::move(tasks))) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), ErrorCode::storage_failed);
  }
  EXPECT_TRUE(load_reopened().sandboxes.empty());
}

TEST_P(NodeStoreFaultContract, what_was_acknowledged_survives_power_loss) {
  for (int i = 1; i <= 10; ++i) {
    std::vector<Task<Result<void>>> tasks;
    for (int k = 0; k < 5; ++k)
      tasks.push_back(store_->put(full_node_sandbox(std::to_string(i) + "-" + std::to_string(k))));
    tasks.push_back(store_->erase(grave(std::to_string(i) + "-0", "u")));
    for (const auto& outcome : run_all(context_, std::move(tasks))) ASSERT_TRUE(outcome);
    harness_->lose_power();
    const auto contents = load_reopened();
    ASSERT_EQ(contents.sandboxes.size(), static_cast<std::size_t>(4 * i));
    ASSERT_EQ(contents.tombstones.size(), static_cast<std::size_t>(i));
  }
}

const Kind<ports::NodeStore> kFile{
    "sqlite_file", [] { return std::make_unique<FileHarness<ports::NodeStore, store::SqliteNodeStore>>(); }};
const Kind<ports::NodeStore> kVfs{
    "sqlite_faulty_disk", [] { return std::make_unique<VfsHarness<ports::NodeStore, store::SqliteNodeStore>>(); }};
const Kind<ports::NodeStore> kSim{
    "simulated",
    [] { return std::make_unique<SimHarness<ports::NodeStore, sim::SimNodeStore, sim::NodeStoreDisk>>(); }};
const auto kName = [](const auto& info) { return info.param.name; };

INSTANTIATE_TEST_SUITE_P(Kinds, NodeStoreContract, testing::Values(kFile, kVfs, kSim), kName);
INSTANTIATE_TEST_SUITE_P(Kinds, NodeStoreFaultContract, testing::Values(kVfs, kSim), kName);

}  // namespace
}  // namespace sandboxd::test
