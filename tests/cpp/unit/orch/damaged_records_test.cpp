// A control plane whose database had records that could not be read: what their nodes have is left alone.
#include "base/log.hpp"
#include "unit/orch/engine_fixture.hpp"

#include <gmock/gmock.h>

#include <functional>

namespace sandboxd::orch {
namespace {

using model::Phase;
using testing::ElementsAre;
using testing::HasSubstr;

// A store whose contents come back changed, as after damage.
class DamagedStore final : public ports::Store {
 public:
  using Damage = std::function<void(ports::StoreContents&)>;
  DamagedStore(ports::Store& store, Damage damage) : store_(store), damage_(std::move(damage)) {}
  Task<Result<ports::StoreContents>> load() override {
    auto contents = co_await store_.load();
    if (contents) damage_(*contents);
    co_return contents;
  }
  Task<Result<void>> apply(ports::StoreTransaction transaction) override {
    return store_.apply(std::move(transaction));
  }

 private:
  ports::Store& store_;
  Damage damage_;
};

class DamagedRecords : public EngineFixture {
 protected:
  ~DamagedRecords() override {
    stop();
    damaged_.reset();
    node_->cancel();
    run(node_->join());
  }
  void start_with_sandbox() {
    start();
    node_->start();
    ASSERT_TRUE(register_node("n", 7, node_));
    ASSERT_TRUE(run(service_->create(sandbox("a"))));
    time_until([&] { return phase("a") == Phase::running; }, std::chrono::seconds(5));
    ASSERT_EQ(phase("a"), Phase::running);
  }
  void restart(const DamagedStore::Damage& damage) {
    stop();
    store_ = *sim::SimStore::open(disk_, clock_);
    damaged_ = std::make_unique<DamagedStore>(*store_, damage);
    engine_ = std::make_unique<Engine>(context_.get_executor(), *damaged_, transport_, clock_, config_, ++lives_);
    service_ = std::make_unique<SandboxService>(*engine_, transport_, clock_);
    ASSERT_TRUE(run(engine_->start()));
  }
  // As the SQLite store leaves it.
  static void make_stand_in(ports::StoreContents& contents) {
    model::Sandbox& sandbox = contents.sandboxes.at(0);
    sandbox.phase = Phase::failed;
    sandbox.spec = {};
    sandbox.last_error = "damaged";
    contents.damaged = {{"sandboxes", "a", "damaged"}};
  }
  bool runs_on_node() const {
    const auto found = node_->machine.find(SandboxId("a"));
    return found != node_->machine.end() && found->second.phase == Phase::running;
  }
  std::size_t count_damaged() {
    return run(service_read([](Engine& engine) { return engine.state().damaged_sandboxes(); })).value();
  }
  Task<Result<std::size_t>> service_read(std::size_t (*look)(Engine&)) {
    return engine_->read<std::size_t>([look](Engine& engine) { return Result<std::size_t>(look(engine)); });
  }

  std::shared_ptr<world::ModelNode> node_ = std::make_shared<world::ModelNode>(
      context_.get_executor(), clock_, 2, world::ModelNodeOptions{4000, 1 << 30, 0, std::chrono::seconds(5)});
  std::unique_ptr<DamagedStore> damaged_;
};

TEST_F(DamagedRecords, what_the_node_has_goes_on_until_the_sandbox_is_deleted) {
  config_.failed_retention = std::chrono::minutes(1);
  start_with_sandbox();
  restart(make_stand_in);
  run_for(std::chrono::minutes(10));
  ASSERT_TRUE(get("a"));
  EXPECT_EQ(get("a")->phase, Phase::failed);
  EXPECT_EQ(get("a")->last_error, "damaged");
  EXPECT_TRUE(runs_on_node());
  EXPECT_EQ(count_damaged(), 1U);
  EXPECT_EQ(run(service_->create(sandbox("a"))).error().code(), ErrorCode::already_exists);
  ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
  run_for(std::chrono::seconds(5));
  EXPECT_EQ(get("a"), nullptr);
  EXPECT_FALSE(runs_on_node());
  EXPECT_EQ(count_damaged(), 0U);
}

TEST_F(DamagedRecords, it_is_protected_when_uid_and_node_are_lost_too) {
  start_with_sandbox();
  restart([](ports::StoreContents& contents) {
    make_stand_in(contents);
    contents.sandboxes[0].node = NodeId();
    contents.sandboxes[0].uid.clear();
    contents.sandboxes[0].ports.clear();
  });
  run_for(std::chrono::minutes(10));
  EXPECT_TRUE(runs_on_node());
  ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
  transport_.break_streams(7);
  run_for(std::chrono::minutes(1));
  EXPECT_FALSE(runs_on_node()) << "then it is a left-over like any other";
}

TEST_F(DamagedRecords, without_a_legible_id_no_left_over_is_removed) {
  start_with_sandbox();
  restart([](ports::StoreContents& contents) {
    contents.damaged = {{"sandboxes", "\xff", "damaged"}};
    contents.instance = contents.sandboxes[0].uid.substr(0, 8);
    contents.sandboxes.clear();
  });
  run_for(std::chrono::minutes(10));
  EXPECT_EQ(get("a"), nullptr);
  EXPECT_TRUE(runs_on_node());
  EXPECT_EQ(count_damaged(), 1U);
}

TEST_F(DamagedRecords, sandboxes_of_a_node_that_is_not_there_wait_for_it) {
  start_with_sandbox();
  const NodeRef known = node("n");
  std::vector<std::string> lines;
  set_log_observer([&](const LogRecord& record) {
    if (record.level == LogLevel::warn) lines.emplace_back(record.line);
  });
  restart([](ports::StoreContents& contents) { contents.nodes.clear(); });
  set_log_observer({});
  EXPECT_THAT(lines, ElementsAre(HasSubstr(R"("nodes":"n","sandboxes":1)")));
  run_for(std::chrono::minutes(1));
  ASSERT_TRUE(get("a"));
  EXPECT_EQ(get("a")->phase, Phase::running);
  EXPECT_TRUE(runs_on_node());
  ASSERT_TRUE(register_node("n", 7, node_));
  run_for(std::chrono::minutes(1));
  EXPECT_EQ(get("a")->phase, Phase::running);
  EXPECT_TRUE(runs_on_node());
}

}  // namespace
}  // namespace sandboxd::orch
