// Taking nodes out of the cluster, what is left on them, and how long failed sandboxes are kept.
#include "support/sim_stock_node.hpp"
#include "unit/orch/engine_fixture.hpp"

namespace sandboxd::orch {
namespace {

using model::NodeState;
using model::Phase;
using std::chrono::milliseconds;
using std::chrono::seconds;

class NodeRemovalTest : public EngineFixture {
 protected:
  ~NodeRemovalTest() override {
    stop();
    node_->cancel();
    stock_->work.cancel();
    run(node_->join());
    run(stock_->work.join());
  }
  void start_with_nodes() {
    start();
    node_->start();
    ASSERT_EQ(register_node("n", 7, node_)->state, NodeState::ready);
    ASSERT_EQ(register_node("stock", 9, stock_)->state, NodeState::ready);
  }
  void create_on(const std::string& node, const std::string& id) {
    const NodeId other(node == "n" ? "stock" : "n");
    PatchNode cordon;
    cordon.unschedulable = true;
    ASSERT_TRUE(run(service_->patch_node(other, cordon)));
    ASSERT_TRUE(run(service_->create(sandbox(id))));
    time_until([&] { return phase(id) == Phase::running; }, seconds(5));
    ASSERT_EQ(get(id)->node, NodeId(node));
    cordon.unschedulable = false;
    ASSERT_TRUE(run(service_->patch_node(other, cordon)));
  }
  Result<void> remove_node(const std::string& id) { return run(service_->delete_node(NodeId(id), false)); }

  std::shared_ptr<world::ModelNode> node_ = std::make_shared<world::ModelNode>(
      context_.get_executor(), clock_, 2, world::ModelNodeOptions{4000, 1 << 30, 0, seconds(5)});
  std::shared_ptr<test::SimStockNode> stock_ = std::make_shared<test::SimStockNode>(context_.get_executor(), clock_);
};

TEST_F(NodeRemovalTest, its_sandboxes_are_removed_from_it_and_end_failed) {
  start_with_nodes();
  for (const char* name : {"n", "stock"}) {
    for (const char* id : {"-a", "-b", "-c"}) create_on(name, std::string(name) + id);
  }
  for (const char* name : {"n", "stock"}) {
    const auto removed = remove_node(name);
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(node(name), nullptr);
    for (const char* id : {"-a", "-b", "-c"}) {
      const SandboxRef sandbox = get(std::string(name) + id);
      EXPECT_EQ(sandbox->phase, Phase::failed);
      EXPECT_EQ(sandbox->last_error, "node removed");
      EXPECT_TRUE(sandbox->node.empty() && sandbox->ports.empty() && sandbox->external.empty());
    }
  }
  EXPECT_TRUE(node_->machine.empty());
  EXPECT_TRUE(stock_->machine.empty());
  EXPECT_EQ(stock_->reconciles, 1);
  EXPECT_EQ(remove_node("n").error().code(), ErrorCode::not_found);
}

TEST_F(NodeRemovalTest, a_failure_ends_it_and_nothing_is_half_done) {
  start_with_nodes();
  create_on("stock", "a");
  create_on("stock", "b");
  const SandboxRef before = get("a");
  stock_->removal_fault = "lock timeout for a";
  const auto refused = remove_node("stock");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::internal);
  EXPECT_TRUE(refused.error().message() == "delete sandbox on node stock for sandbox a: lock timeout for a" ||
              refused.error().message() == "delete sandbox on node stock for sandbox b: lock timeout for a")
      << refused.error().message();
  run_for(seconds(15));
  EXPECT_EQ(*get("a"), *before) << "as it was, its ports too";
  EXPECT_FALSE(node("stock")->removing);
  EXPECT_EQ(stock_->machine.size(), 2U);
  // Later wishes are not disturbed by what was given up.
  const int removes = stock_->removes;
  stock_->removal_fault.clear();
  run_for(std::chrono::minutes(1));
  EXPECT_EQ(stock_->removes, removes);
  EXPECT_EQ(stock_->machine.size(), 2U);
  EXPECT_TRUE(remove_node("stock"));
}

TEST_F(NodeRemovalTest, a_node_that_fails_in_its_comparison_stays) {
  start_with_nodes();
  stock_->reconcile_fault = "list pods: containerd is down";
  EXPECT_EQ(remove_node("stock").error().message(),
            "reconcile node stock during delete: list pods: containerd is down");
  EXPECT_NE(node("stock"), nullptr);
}

TEST_F(NodeRemovalTest, a_dead_node_is_refused_without_force) {
  start_with_nodes();
  create_on("stock", "a");
  transport_.detach(9);
  const Duration took = time_until([&] { return true; }, seconds(1));
  static_cast<void>(took);
  EXPECT_EQ(remove_node("stock").error().message(), "delete sandbox on node stock for sandbox a: connection refused");
  EXPECT_EQ(phase("a"), Phase::running);
  ASSERT_TRUE(run(service_->delete_node(NodeId("stock"), true)));
  EXPECT_EQ(get("a")->last_error, "node removed");
}

TEST_F(NodeRemovalTest, nothing_is_placed_on_a_node_that_goes) {
  start_with_nodes();
  create_on("stock", "a");
  transport_.slow(9, seconds(1));
  std::optional<Result<void>> ended;
  boost::asio::co_spawn(context_, service_->delete_node(NodeId("stock"), false),
                        [&](std::exception_ptr, Result<void> result) { ended = std::move(result); });
  run_for(milliseconds(300));
  ASSERT_TRUE(node("stock")->removing);
  for (int n = 0; n < 5; ++n) ASSERT_TRUE(run(service_->create(sandbox("s" + std::to_string(n)))));
  for (int n = 0; n < 5; ++n) EXPECT_EQ(get("s" + std::to_string(n))->node, NodeId("n"));
  run_for(seconds(30));
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(*ended);
}

TEST_F(NodeRemovalTest, a_kill_in_the_middle_does_not_stop_it) {
  for (int after_ms = 0; after_ms < 400; after_ms += 40) {
    const std::string id = "a" + std::to_string(after_ms);
    start();
    node_->start();
    ASSERT_EQ(register_node("n", 7, node_)->state, NodeState::ready);
    ASSERT_TRUE(run(service_->create(sandbox(id))));
    run_for(seconds(1));
    transport_.slow(7, milliseconds(100));
    boost::asio::co_spawn(context_, service_->delete_node(NodeId("n"), false),
                          [](std::exception_ptr, const Result<void>&) {});
    run_for(milliseconds(20 + after_ms));
    stop();
    start();
    transport_.slow(7, Duration::zero());
    run_for(seconds(12));
    EXPECT_EQ(node("n"), nullptr) << after_ms;
    EXPECT_EQ(get(id)->phase, Phase::failed);
    EXPECT_EQ(get(id)->last_error, "node removed") << after_ms;
    EXPECT_TRUE(node_->machine.empty());
    stop();
    node_->crash();
  }
}

TEST_F(NodeRemovalTest, a_node_that_comes_back_inherits_nothing) {
  start_with_nodes();
  ASSERT_TRUE(run(service_->delete_node(NodeId("n"), true)));
  transport_.detach(7);
  UpsertNode request;
  request.id = NodeId("n");
  request.address = {"10.0.0.1", 7};
  ASSERT_TRUE(run(service_->upsert_node(request, Duration::zero())));
  EXPECT_EQ(node("n")->state, NodeState::unknown);
  run_for(seconds(1));
  EXPECT_NE(node("n")->state, NodeState::ready);
}

TEST_F(NodeRemovalTest, what_a_forgotten_node_still_has_is_removed_when_it_is_registered_again) {
  start_with_nodes();
  create_on("n", "a");
  ASSERT_TRUE(run(service_->delete_node(NodeId("n"), true)));
  ASSERT_EQ(node_->machine.size(), 1U);
  register_node("n", 7, node_);
  run_for(seconds(15));
  EXPECT_TRUE(node_->machine.empty());
}

TEST_F(NodeRemovalTest, failed_sandboxes_are_kept_or_go_after_the_set_time) {
  config_.place_or_fail = "fail";
  start_with_nodes();
  run_for(seconds(20));
  ASSERT_TRUE(run(service_->create(sandbox("huge", 99999))));
  run_for(std::chrono::hours(100));
  EXPECT_EQ(phase("huge"), Phase::failed) << "kept by default";
  stop();
  config_.failed_retention = std::chrono::minutes(10);
  start();
  run_for(seconds(2));
  EXPECT_EQ(get("huge"), nullptr) << "its time is long over";
  run_for(seconds(20));
  ASSERT_TRUE(run(service_->create(sandbox("again", 99999))));
  run_for(std::chrono::minutes(9));
  EXPECT_EQ(phase("again"), Phase::failed);
  run_for(std::chrono::minutes(2));
  EXPECT_EQ(get("again"), nullptr);
}

TEST_F(NodeRemovalTest, a_failed_one_of_our_node_leaves_the_node_too_when_its_time_is_over) {
  config_.failed_retention = seconds(30);
  start_with_nodes();
  create_on("n", "a");
  while (node_->machine.at(SandboxId("a")).phase == Phase::running) node_->kill_one();
  run_for(seconds(20));
  EXPECT_EQ(phase("a"), Phase::failed);
  EXPECT_EQ(node_->machine.size(), 1U);
  run_for(seconds(15));
  EXPECT_EQ(get("a"), nullptr);
  EXPECT_TRUE(node_->machine.empty());
}

TEST_F(NodeRemovalTest, a_flapping_streaming_node_never_delays_the_others) {
  start_with_nodes();
  const auto flapping = std::make_shared<world::ModelNode>(context_.get_executor(), clock_, 3,
                                                           world::ModelNodeOptions{1, 1, 0, seconds(5)});
  flapping->start();
  register_node("flapping", 8, flapping);
  for (int round = 0; round < 20; ++round) {
    transport_.cut(8, round % 2 == 0, round % 2 == 1);
    if (round % 5 == 4) transport_.break_streams(8);
    const std::string id = "s" + std::to_string(round);
    ASSERT_TRUE(run(service_->create(sandbox(id))));
    const Duration took = time_until([&] { return phase(id) == Phase::running; }, seconds(20));
    EXPECT_LT(took, milliseconds(1600)) << round;
  }
  EXPECT_EQ(node("n")->state, NodeState::ready);
  transport_.cut(8, false, false);
  flapping->cancel();
  run(flapping->join());
}

}  // namespace
}  // namespace sandboxd::orch
