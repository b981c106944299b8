// A node whose database had records that could not be read: the node serves, and what they had is left alone.
#include "unit/node/node_fixture.hpp"

namespace sandboxd::node {
namespace {

using model::Phase;

// A store whose contents come back changed, as after damage.
class DamagedStore final : public ports::NodeStore {
 public:
  using Damage = std::function<void(ports::NodeStoreContents&)>;
  DamagedStore(ports::NodeStore& store, Damage damage) : store_(store), damage_(std::move(damage)) {}
  Task<Result<ports::NodeStoreContents>> load() override {
    auto contents = co_await store_.load();
    if (contents) damage_(*contents);
    co_return contents;
  }
  Task<Result<void>> put(model::NodeSandbox sandbox) override { return store_.put(std::move(sandbox)); }
  Task<Result<void>> erase(ports::Tombstone tombstone) override { return store_.erase(std::move(tombstone)); }
  Task<Result<void>> forget_tombstones(WallTime before) override { return store_.forget_tombstones(before); }

 private:
  ports::NodeStore& store_;
  Damage damage_;
};

class DamagedNodeRecords : public NodeFixture {
 protected:
  ports::NodeStore& store() override {
    if (!damage_) return *store_;
    damaged_ = std::make_unique<DamagedStore>(*store_, damage_);
    return *damaged_;
  }
  ~DamagedNodeRecords() override {
    if (agent_) stop_agent();
  }
  void start_with_pod_and_restart(DamagedStore::Damage damage) {
    start_agent();
    ASSERT_TRUE(run(agent_->create(simple_request("a", 2))));
    ASSERT_TRUE(run(agent_->create(simple_request("bb"))));
    ASSERT_TRUE(settle("a"));
    ASSERT_TRUE(settle("bb"));
    damage_ = std::move(damage);
    restart_agent();
    pass(std::chrono::minutes(1));
    ASSERT_TRUE(run(agent_->reconcile()));
  }
  // As the SQLite store leaves it.
  static void make_stand_in(ports::NodeStoreContents& contents) {
    model::NodeSandbox& record = contents.sandboxes.at(0);
    model::NodeSandbox stand_in;
    stand_in.id = record.id;
    stand_in.uid = record.uid;
    stand_in.slot = record.slot;
    stand_in.phase = Phase::failed;
    stand_in.error = "damaged";
    record = stand_in;
    contents.damaged = {{"sandboxes", "a", "damaged"}};
  }
  std::size_t containers() const { return runtime_machine_->containers.size(); }

  DamagedStore::Damage damage_;
  std::unique_ptr<DamagedStore> damaged_;
};

TEST_F(DamagedNodeRecords, the_sandbox_fails_and_what_it_has_goes_on_until_it_is_deleted) {
  start_with_pod_and_restart(make_stand_in);
  EXPECT_EQ(phase("a"), Phase::failed);
  EXPECT_EQ(agent_->status(SandboxId("a"))->error, "damaged");
  EXPECT_EQ(phase("bb"), Phase::running) << "the others are as they were";
  EXPECT_EQ(containers(), 4U);
  EXPECT_EQ(network_machine_->slots.size(), 4U) << "two in use, two free";
  EXPECT_EQ(output_machine_->logs.size(), 3U);
  model::NodeCreateRequest other_life = simple_request("a");
  other_life.uid = std::string(32, 'f');
  EXPECT_EQ(run(agent_->create(other_life)).error().code(), ErrorCode::already_exists);
  ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
  EXPECT_EQ(containers(), 1U);
  EXPECT_FALSE(agent_->get(SandboxId("a")));
  ASSERT_TRUE(run(agent_->remove(SandboxId("bb"), "")));
  expect_clean_machine();
}

class WithoutAnOwner : public DamagedNodeRecords, public testing::WithParamInterface<bool> {};

TEST_P(WithoutAnOwner, nothing_unknown_is_removed) {
  start_with_pod_and_restart([](ports::NodeStoreContents& contents) {
    make_stand_in(contents);
    contents.sandboxes[0].slot.clear();
    const bool has_id = GetParam();
    if (has_id) return;
    contents.damaged[0].key = "\xff";
    contents.sandboxes.erase(contents.sandboxes.begin());
  });
  EXPECT_EQ(containers(), 4U);
  EXPECT_EQ(output_machine_->logs.size(), 3U);
  EXPECT_EQ(phase("bb"), Phase::running);
  ASSERT_TRUE(run(agent_->create(simple_request("ccc"))));
  ASSERT_TRUE(settle("ccc"));
  EXPECT_EQ(phase("ccc"), Phase::running) << "in a slot of its own";
  for (const std::string& violation : network_machine_->violations()) ADD_FAILURE() << violation;
  damage_ = {};
  restart_agent();
  for (const char* id : {"a", "bb", "ccc"}) ASSERT_TRUE(run(agent_->remove(SandboxId(id), "")));
  expect_clean_machine();
}

INSTANTIATE_TEST_SUITE_P(Ids, WithoutAnOwner, testing::Bool());

}  // namespace
}  // namespace sandboxd::node
