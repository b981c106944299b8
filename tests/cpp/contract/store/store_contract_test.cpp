// What every ports::Store promises, run against SQLite in a file, SQLite on a disk with faults, and the simulated one.
#include "harness.hpp"
#include "support/sample_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::test {
namespace {

using ports::EraseNode;
using ports::EraseSandbox;
using ports::PutNode;
using ports::PutSandbox;
using ports::StoreChange;
using ports::StoreContents;

class StoreContract : public testing::TestWithParam<Kind<ports::Store>> {
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

  Result<void> apply(std::vector<StoreChange> changes, std::int64_t revision) {
    return run_task(context_, store_->apply({std::move(changes), revision}));
  }
  StoreContents load() { return run_task(context_, store_->load()).value(); }
  StoreContents load_reopened() {
    reopen();
    return load();
  }

  std::unique_ptr<Harness<ports::Store>> harness_;
  boost::asio::io_context context_;
  std::unique_ptr<ports::Store> store_;
};

// A second suite for the kinds of store whose disk can fail.
class StoreFaultContract : public StoreContract {};

model::Sandbox named(const std::string& id, const std::string& name, const std::string& owner = "alice") {
  model::Sandbox sandbox = full_sandbox(id);
  sandbox.name = name;
  sandbox.owner = owner;
  return sandbox;
}

std::vector<std::string> ids_of(const StoreContents& contents) {
  std::vector<std::string> ids;
  for (const auto& sandbox : contents.sandboxes) ids.push_back(sandbox.id.str());
  return ids;
}

TEST_P(StoreContract, a_new_store_is_empty) {
  const auto contents = load();
  EXPECT_TRUE(contents.sandboxes.empty());
  EXPECT_TRUE(contents.nodes.empty());
  EXPECT_TRUE(contents.answers.empty());
  EXPECT_EQ(contents.revision, 0);
}

TEST_P(StoreContract, everything_applied_is_there_after_reopening) {
  ASSERT_TRUE(apply({PutNode{full_node()}, PutSandbox{full_sandbox()}, PutSandbox{model::Sandbox{}}}, 7));
  const auto contents = load_reopened();
  ASSERT_EQ(contents.sandboxes.size(), 2U);
  EXPECT_EQ(contents.sandboxes[0], model::Sandbox{});
  EXPECT_EQ(contents.sandboxes[1], full_sandbox());
  ASSERT_EQ(contents.nodes.size(), 1U);
  EXPECT_EQ(contents.nodes[0], full_node());
  EXPECT_EQ(contents.revision, 7);
}

TEST_P(StoreContract, kept_answers_are_put_replaced_and_erased) {
  const model::KeptAnswer first{"alice", "k", "f1", "{\"a\":1}", {7}};
  const model::KeptAnswer of_bob{"bob", "k", "f2", "x", {8}};
  const model::KeptAnswer later{"alice", "k", "f3", "y", {9}};
  ASSERT_TRUE(apply({ports::PutAnswer{of_bob}, ports::PutAnswer{first}}, 1));
  EXPECT_THAT(load_reopened().answers, testing::ElementsAre(first, of_bob));
  ASSERT_TRUE(apply({ports::PutAnswer{later}, ports::EraseAnswer{"bob", "k"}, ports::EraseAnswer{"bob", "never"}}, 2));
  EXPECT_THAT(load_reopened().answers, testing::ElementsAre(later));
}

TEST_P(StoreContract, the_instance_mark_is_kept_until_another_is_given) {
  ASSERT_TRUE(run_task(context_, store_->apply({{PutNode{full_node()}}, 1, "00ab12cd"})));
  ASSERT_TRUE(apply({PutSandbox{full_sandbox()}}, 2));
  EXPECT_EQ(load_reopened().instance, "00ab12cd");
}

TEST_P(StoreContract, the_running_store_reads_what_it_wrote) {
  ASSERT_TRUE(apply({PutSandbox{full_sandbox()}}, 1));
  EXPECT_EQ(load().sandboxes.at(0), full_sandbox());
}

TEST_P(StoreContract, a_put_replaces_the_whole_earlier_version) {
  ASSERT_TRUE(apply({PutSandbox{full_sandbox()}, PutNode{full_node()}}, 1));
  model::Sandbox bare;
  bare.id = full_sandbox().id;
  model::Node bare_node;
  bare_node.id = full_node().id;
  ASSERT_TRUE(apply({PutSandbox{bare}, PutNode{bare_node}}, 2));
  const auto contents = load_reopened();
  EXPECT_THAT(contents.sandboxes, testing::ElementsAre(bare));
  EXPECT_THAT(contents.nodes, testing::ElementsAre(bare_node));
}

TEST_P(StoreContract, a_life_goes_on_and_gets_another_name) {
  model::Sandbox moment = full_sandbox();
  moment.phase = model::Phase::scheduled;
  moment.containers.clear();
  moment.reasons.clear();
  moment.running_since.reset();
  ASSERT_TRUE(apply({PutSandbox{moment}}, 1));
  ASSERT_TRUE(apply({PutSandbox{full_sandbox()}}, 2));
  EXPECT_THAT(load_reopened().sandboxes, testing::ElementsAre(full_sandbox()));
  moment = full_sandbox();
  moment.name = "another";
  moment.phase = model::Phase::running;
  moment.desired = model::Desired::running;
  moment.memory_kept = false;
  moment.node = NodeId("node-2");
  moment.ip = "10.89.0.8";
  moment.external = "(none)";
  moment.last_error.clear();
  moment.ports.pop_back();
  moment.updated_at.ns += 1;
  moment.expires_at.reset();
  moment.revision = 43;
  ASSERT_TRUE(apply({PutSandbox{moment}}, 3));
  EXPECT_THAT(load_reopened().sandboxes, testing::ElementsAre(moment));
}

TEST_P(StoreContract, another_life_of_an_id_takes_the_place_of_the_first) {
  ASSERT_TRUE(apply({PutSandbox{full_sandbox()}}, 1));
  model::Sandbox other = full_sandbox();
  other.uid = "fedcba9876543210fedcba9876543210";
  other.spec.labels = {{"team", "blue"}};
  other.spec.ttl_seconds = 7;
  ASSERT_TRUE(apply({PutSandbox{other}}, 2));
  EXPECT_THAT(load_reopened().sandboxes, testing::ElementsAre(other));
}

TEST_P(StoreContract, erased_ones_are_gone_and_unknown_ones_may_be_erased) {
  ASSERT_TRUE(apply({PutSandbox{full_sandbox("a")}, PutSandbox{full_sandbox("b")}, PutNode{full_node()}}, 1));
  ASSERT_TRUE(apply({EraseSandbox{SandboxId("a")}, EraseSandbox{SandboxId("never")}, EraseNode{full_node().id}}, 2));
  const auto contents = load_reopened();
  EXPECT_THAT(ids_of(contents), testing::ElementsAre("b"));
  EXPECT_TRUE(contents.nodes.empty());
}

TEST_P(StoreContract, changes_take_effect_in_their_order) {
  ASSERT_TRUE(apply({PutSandbox{full_sandbox("a")}, EraseSandbox{SandboxId("a")}, EraseSandbox{SandboxId("b")},
                     PutSandbox{full_sandbox("b")}},
                    1));
  EXPECT_THAT(ids_of(load_reopened()), testing::ElementsAre("b"));
}

TEST_P(StoreContract, contents_are_sorted_by_id) {
  ASSERT_TRUE(apply({PutSandbox{full_sandbox("b")}, PutSandbox{full_sandbox("B")}, PutSandbox{full_sandbox("a-1")},
                     PutSandbox{full_sandbox("a")}, PutNode{full_node("z")}, PutNode{full_node("y")}},
                    1));
  const auto contents = load();
  EXPECT_THAT(ids_of(contents), testing::ElementsAre("B", "a", "a-1", "b"));
  EXPECT_EQ(contents.nodes.at(0).id, NodeId("y"));
}

TEST_P(StoreContract, the_revision_never_decreases) {
  ASSERT_TRUE(apply({}, 9));
  ASSERT_TRUE(apply({PutNode{full_node()}}, 3));
  EXPECT_EQ(load_reopened().revision, 9);
  ASSERT_TRUE(apply({EraseNode{full_node().id}}, 10));
  EXPECT_EQ(load_reopened().revision, 10);
}

TEST_P(StoreContract, two_sandboxes_of_one_owner_cannot_have_one_name) {
  ASSERT_TRUE(apply({PutSandbox{named("a", "same")}}, 1));
  const auto refused =
      apply({PutNode{full_node()}, PutSandbox{named("b", "other")}, PutSandbox{named("c", "same")}}, 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::already_exists);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("same"));
}

TEST_P(StoreContract, a_refused_transaction_changes_nothing) {
  ASSERT_TRUE(apply({PutSandbox{named("a", "same")}}, 1));
  ASSERT_FALSE(apply({PutNode{full_node()}, EraseSandbox{SandboxId("a")}, PutSandbox{named("b", "same")},
                      PutSandbox{named("c", "same")}},
                     2));
  for (const auto& contents : {load(), load_reopened()}) {
    EXPECT_THAT(contents.sandboxes, testing::ElementsAre(named("a", "same")));
    EXPECT_TRUE(contents.nodes.empty());
    EXPECT_EQ(contents.revision, 1);
  }
  ASSERT_TRUE(apply({PutSandbox{named("b", "free")}}, 2));
  EXPECT_THAT(ids_of(load_reopened()), testing::ElementsAre("a", "b"));
}

TEST_P(StoreContract, names_are_free_for_other_owners_when_empty_and_after_erasing) {
  ASSERT_TRUE(apply({PutSandbox{named("a", "n")}, PutSandbox{named("b", "n", "bob")}, PutSandbox{named("c", "")},
                     PutSandbox{named("d", "")}},
                    1));
  ASSERT_TRUE(apply({EraseSandbox{SandboxId("a")}, PutSandbox{named("e", "n")}}, 2));
  ASSERT_TRUE(apply({PutSandbox{named("e", "m")}, PutSandbox{named("f", "n")}}, 3));
  EXPECT_THAT(ids_of(load_reopened()), testing::ElementsAre("b", "c", "d", "e", "f"));
}

TEST_P(StoreContract, hostile_text_is_only_text) {
  const std::string hostile = "a'); DROP TABLE sandboxes; --\n\"\\%s\xe2\x82\xac" + std::string(1, '\0') + "z";
  model::Sandbox sandbox = full_sandbox(hostile);
  sandbox.last_error = hostile;
  sandbox.spec.labels[hostile] = hostile;
  ASSERT_TRUE(apply({PutSandbox{sandbox}}, 1));
  EXPECT_THAT(load_reopened().sandboxes, testing::ElementsAre(sandbox));
}

TEST_P(StoreContract, a_large_transaction_is_applied_whole) {
  std::vector<StoreChange> changes;
  for (int i = 0; i < 1024; ++i) changes.emplace_back(PutSandbox{full_sandbox("s" + std::to_string(i))});
  ASSERT_TRUE(apply(std::move(changes), 1024));
  EXPECT_EQ(load_reopened().sandboxes.size(), 1024U);
}

TEST_P(StoreContract, a_second_store_on_the_same_contents_is_refused) {
  const auto second = harness_->open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::conflict);
  ASSERT_TRUE(apply({PutSandbox{full_sandbox()}}, 1));  // the first goes on
  EXPECT_EQ(load_reopened().sandboxes.size(), 1U);
}

TEST_P(StoreFaultContract, a_full_disk_changes_nothing_and_is_forgotten_when_there_is_room) {
  ASSERT_TRUE(apply({PutSandbox{full_sandbox("before")}}, 1));
  harness_->set_full(true);
  std::vector<StoreChange> changes;
  for (int i = 0; i < 64; ++i) changes.emplace_back(PutSandbox{full_sandbox("s" + std::to_string(i))});
  const auto failed = apply(changes, 2);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_THAT(failed.error().message(), testing::HasSubstr("full"));
  EXPECT_THAT(ids_of(load()), testing::ElementsAre("before"));
  EXPECT_EQ(load().revision, 1);
  harness_->set_full(false);
  ASSERT_TRUE(apply(changes, 2));
  const auto contents = load_reopened();
  EXPECT_EQ(contents.sandboxes.size(), 65U);
  EXPECT_EQ(contents.revision, 2);
}

TEST_P(StoreFaultContract, what_was_acknowledged_survives_power_loss) {
  for (int i = 1; i <= 20; ++i) {
    ASSERT_TRUE(apply({PutSandbox{full_sandbox("s" + std::to_string(i))}, PutNode{full_node()}}, i));
    harness_->lose_power();
    const auto contents = load_reopened();
    ASSERT_EQ(contents.sandboxes.size(), static_cast<std::size_t>(i));
    ASSERT_EQ(contents.revision, i);
  }
}

TEST_P(StoreFaultContract, a_store_without_its_disk_says_so) {
  harness_->lose_power();
  const auto failed = apply({PutSandbox{full_sandbox()}}, 1);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_TRUE(load_reopened().sandboxes.empty());
}

const Kind<ports::Store> kFile{"sqlite_file",
                               [] { return std::make_unique<FileHarness<ports::Store, store::SqliteStore>>(); }};
const Kind<ports::Store> kVfs{"sqlite_faulty_disk",
                              [] { return std::make_unique<VfsHarness<ports::Store, store::SqliteStore>>(); }};
const Kind<ports::Store> kSim{
    "simulated", [] { return std::make_unique<SimHarness<ports::Store, sim::SimStore, sim::StoreDisk>>(); }};
const auto kName = [](const auto& info) { return info.param.name; };

INSTANTIATE_TEST_SUITE_P(Kinds, StoreContract, testing::Values(kFile, kVfs, kSim), kName);
INSTANTIATE_TEST_SUITE_P(Kinds, StoreFaultContract, testing::Values(kVfs, kSim), kName);

}  // namespace
}  // namespace sandboxd::test
