// A control plane with stock sandboxd-o nodes: no watch stream, no uids.
#include "support/sim_stock_node.hpp"
#include "unit/orch/engine_fixture.hpp"

namespace sandboxd::orch {
namespace {

using model::NodeState;
using model::Phase;
using std::chrono::milliseconds;
using std::chrono::seconds;

class PolledNodeTest : public EngineFixture {
 protected:
  ~PolledNodeTest() override {
    stop();
    stock_->work.cancel();
    run(stock_->work.join());
  }
  void start_with_stock_node() {
    start();
    ASSERT_TRUE(register_node("stock", 9, stock_));
  }
  void create(const std::string& id, std::int64_t cpu = 100) {
    const auto created = run(service_->create(sandbox(id, cpu)));
    ASSERT_TRUE(created) << created.error().message();
  }
  void create_running(const std::string& id) {
    create(id);
    time_until([&] { return phase(id) == Phase::running; }, seconds(5));
    ASSERT_EQ(phase(id), Phase::running);
  }
  test::SimStockNode::Record& record(const std::string& id) { return stock_->machine.at(SandboxId(id)); }
  std::string mark_of(const std::string& id) { return stock_->find(SandboxId(id))->value().uid; }
  // A uid of this control plane that it does not know.
  std::string other_life() { return get_or_make_uid().substr(0, 8) + std::string(24, 'e'); }
  std::string get_or_make_uid() {
    if (!get("first")) create("first");
    return get("first")->uid;
  }

  std::shared_ptr<test::SimStockNode> stock_ = std::make_shared<test::SimStockNode>(context_.get_executor(), clock_);
};

TEST_F(PolledNodeTest, is_ready_in_the_answer_to_its_registration_and_runs_a_sandbox_soon) {
  start();
  const NodeRef node = register_node("stock", 9, stock_);
  EXPECT_EQ(node->state, NodeState::ready) << "two probes, half a second apart";
  EXPECT_EQ(node->success_streak, 2);
  EXPECT_EQ(node->resources.allocatable_cpu_milli, 4000);
  create("a");
  const Duration took = time_until([&] { return phase("a") == Phase::running; }, seconds(20));
  EXPECT_LT(took, milliseconds(1500)) << "of which the node takes 800";
  EXPECT_EQ(get("a")->ip, "10.89.0.7");
  EXPECT_EQ(record("a").request.ports, get("a")->ports);
  EXPECT_EQ(mark_of("a"), get("a")->uid);
  EXPECT_TRUE(get("a")->spec.volumes.empty()) << "the mark is between us and the node";
}

TEST_F(PolledNodeTest, health_moves_by_the_thresholds) {
  start_with_stock_node();
  run_for(seconds(60));
  EXPECT_GE(stock_->probes, 7);
  EXPECT_LE(stock_->probes, 10) << "every ten seconds, once it is Ready";
  transport_.detach(9);
  time_until([&] { return node("stock")->failure_streak == 1; }, seconds(20));
  EXPECT_EQ(node("stock")->state, NodeState::ready);
  EXPECT_EQ(node("stock")->last_error, "connection refused");
  time_until([&] { return node("stock")->failure_streak == 2; }, seconds(20));
  EXPECT_EQ(node("stock")->state, NodeState::not_ready);
  EXPECT_TRUE(node("stock")->last_heartbeat);
  transport_.attach(9, stock_);
  const Duration back = time_until([&] { return node("stock")->state == NodeState::ready; }, seconds(30));
  EXPECT_LT(back, seconds(12)) << "the second probe follows soon";
}

TEST_F(PolledNodeTest, a_reload_changes_how_often_a_node_is_looked_at_at_once) {
  config_.heartbeat_interval = std::chrono::hours(1);
  start_with_stock_node();
  run_for(seconds(60));
  const int before = stock_->probes;
  run_for(seconds(60));
  ASSERT_EQ(stock_->probes, before);
  OrchConfig next = config_;
  next.heartbeat_interval = seconds(2);
  EXPECT_EQ(engine_->reload(next).changed, std::vector<std::string>{"heartbeat_interval"});
  run_for(seconds(60));
  EXPECT_GE(stock_->probes, before + 29);
}

TEST_F(PolledNodeTest, a_reload_changes_how_long_a_node_may_take) {
  config_.sandbox_op_timeout = milliseconds(50);
  start_with_stock_node();
  transport_.slow(9, milliseconds(200));
  create("a");
  run_for(seconds(20));
  EXPECT_EQ(phase("a"), Phase::scheduled) << "no answer is waited for long enough";
  OrchConfig next = config_;
  next.sandbox_op_timeout = seconds(30);
  EXPECT_EQ(engine_->reload(next).changed, std::vector<std::string>{"sandbox_op_timeout"});
  run_for(seconds(30));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(node("stock")->state, NodeState::ready);
  next.probe_timeout = milliseconds(50);
  EXPECT_EQ(engine_->reload(next).changed, std::vector<std::string>{"probe_timeout"});
  run_for(seconds(30));
  EXPECT_EQ(node("stock")->state, NodeState::not_ready);
}

TEST_F(PolledNodeTest, a_node_that_is_well_but_refuses_the_token_is_not_used) {
  stock_->refuses_token = true;
  start_with_stock_node();
  create("a");
  run_for(seconds(30));
  EXPECT_EQ(node("stock")->state, NodeState::not_ready);
  EXPECT_EQ(node("stock")->last_error, "the node refused the token: unauthorized");
  EXPECT_EQ(phase("a"), Phase::pending);
  stock_->refuses_token = false;
  run_for(seconds(20));
  EXPECT_EQ(phase("a"), Phase::running);
}

TEST_F(PolledNodeTest, a_stored_ready_is_not_trusted_before_the_node_has_answered_this_process) {
  start_with_stock_node();
  stop();
  transport_.detach(9);
  start();
  ASSERT_EQ(node("stock")->state, NodeState::ready) << "as it was stored";
  create("a");
  run_for(seconds(5));
  EXPECT_EQ(phase("a"), Phase::pending);
  run_for(seconds(20));
  EXPECT_EQ(node("stock")->state, NodeState::not_ready);
  transport_.attach(9, stock_);
  run_for(seconds(20));
  EXPECT_EQ(phase("a"), Phase::running);
}

TEST_F(PolledNodeTest, is_left_in_peace_while_nothing_is_under_way) {
  start_with_stock_node();
  for (const char* id : {"a", "b", "c"}) create_running(id);
  const int before = stock_->batches;
  run_for(std::chrono::minutes(2));
  EXPECT_GE(stock_->batches - before, 5);
  EXPECT_LE(stock_->batches - before, 8) << "one question for all, every twenty seconds";
}

TEST_F(PolledNodeTest, one_id_that_cannot_be_read_does_not_spoil_the_others) {
  config_.status_sync_batch_size = 500;
  start_with_stock_node();
  for (int n = 0; n < 12; ++n) create("s" + std::to_string(n));
  stock_->unreadable.insert(SandboxId("s7"));
  run_for(seconds(4));
  for (int n = 0; n < 12; ++n) {
    EXPECT_EQ(phase("s" + std::to_string(n)), n == 7 ? Phase::creating : Phase::running) << n;
  }
  stock_->unreadable.clear();
  run_for(seconds(2));
  EXPECT_EQ(phase("s7"), Phase::running);
}

TEST_F(PolledNodeTest, batches_keep_to_the_size_and_never_exceed_what_a_node_takes) {
  stock_->report.allocatable_cpu_milli = 1'000'000;
  config_.status_sync_batch_size = 500;
  start_with_stock_node();
  for (int n = 0; n < 230; ++n) create("s" + std::to_string(n));
  run_for(seconds(10));
  EXPECT_EQ(stock_->largest_batch, 200U);
  EXPECT_EQ(phase("s229"), Phase::running);
}

TEST_F(PolledNodeTest, a_failure_reason_is_kept_when_the_node_reaps_the_sandbox) {
  stock_->provision_fault = "pull image \"x\": not found";
  start_with_stock_node();
  create("a");
  run_for(seconds(3));
  EXPECT_EQ(phase("a"), Phase::failed);
  EXPECT_EQ(get("a")->last_error, "pull image \"x\": not found");
  stock_->machine.clear();
  const std::int64_t revision = get("a")->revision;
  run_for(seconds(60));
  EXPECT_EQ(get("a")->last_error, "pull image \"x\": not found");
  EXPECT_EQ(get("a")->revision, revision) << "nor is the record written again";
  const int asked = stock_->batches;
  run_for(std::chrono::minutes(5));
  EXPECT_EQ(stock_->batches, asked) << "nobody asks for what is known to be gone";
}

TEST_F(PolledNodeTest, the_reason_that_comes_later_replaces_the_placeholder) {
  stock_->provision_fault = "provision failed";
  start_with_stock_node();
  create("a");
  run_for(seconds(2));
  EXPECT_EQ(get("a")->last_error, "provision failed");
  record("a").error = "sandbox ip not assigned by cni";
  run_for(seconds(2));
  EXPECT_EQ(get("a")->last_error, "sandbox ip not assigned by cni");
}

TEST_F(PolledNodeTest, a_container_that_is_not_well_fails_the_sandbox_in_the_originals_words) {
  start_with_stock_node();
  create_running("a");
  create_running("b");
  record("a").phase = Phase::creating;
  record("a").unhealthy = {{"app", model::ContainerPhase::stopped, "", "container_exited", {}}};
  record("b").phase = Phase::failed;
  record("b").error = "container not found";
  record("b").unhealthy = {{"app", model::ContainerPhase::error, "container not found", "not_found", {}},
                           {"db", model::ContainerPhase::error, "failed to read container state", "", {}}};
  run_for(seconds(21));
  EXPECT_EQ(get("a")->last_error, "container app unhealthy (stopped)");
  EXPECT_EQ(get("b")->last_error, "container not found; container db: failed to read container state");
  EXPECT_EQ(phase("a"), Phase::failed);
}

TEST_F(PolledNodeTest, a_failure_that_was_none_is_taken_back) {
  start_with_stock_node();
  create_running("a");
  record("a").phase = Phase::failed;
  record("a").error = "pause container is not running";
  run_for(seconds(21));
  EXPECT_EQ(phase("a"), Phase::failed);
  record("a").phase = Phase::running;
  record("a").error.clear();
  run_for(seconds(21));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(get("a")->last_error, "");
  EXPECT_EQ(get("a")->ports.size(), 1U) << "and its ports were never given away";
}

TEST_F(PolledNodeTest, one_that_the_node_makes_again_is_not_running_meanwhile) {
  start_with_stock_node();
  create_running("a");
  record("a").phase = Phase::creating;
  run_for(seconds(21));
  EXPECT_EQ(phase("a"), Phase::creating);
  record("a").phase = Phase::running;
  run_for(seconds(21));
  EXPECT_EQ(phase("a"), Phase::running);
}

TEST_F(PolledNodeTest, what_is_called_missing_is_asked_for_by_itself) {
  start_with_stock_node();
  create_running("a");
  create_running("b");
  stock_->overlooked.insert(SandboxId("a"));
  stock_->machine.erase(SandboxId("b"));
  run_for(seconds(21));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(phase("b"), Phase::failed);
  EXPECT_EQ(get("b")->last_error, "deleted on sbxlet node");
}

TEST_F(PolledNodeTest, a_create_whose_answer_is_lost_is_settled_by_asking) {
  config_.sandbox_op_timeout = seconds(3);
  stock_->create_takes = seconds(1);
  start_with_stock_node();
  create("a");
  run_for(milliseconds(100));
  transport_.cut(9, false, true);
  run_for(seconds(4));
  ASSERT_TRUE(stock_->machine.contains(SandboxId("a"))) << "it arrived";
  EXPECT_EQ(phase("a"), Phase::scheduled) << "nobody knows";
  transport_.cut(9, false, false);
  run_for(seconds(15));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(stock_->creates, 1);
}

TEST_F(PolledNodeTest, a_create_that_a_kill_interrupted_is_settled_by_asking) {
  stock_->create_takes = seconds(2);
  start_with_stock_node();
  create("a");
  run_for(milliseconds(100));
  ASSERT_EQ(phase("a"), Phase::scheduled);
  stop();
  run_for(seconds(3));
  start();
  run_for(seconds(5));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(stock_->creates, 1);
}

TEST_F(PolledNodeTest, a_late_create_of_a_former_life_makes_way_for_the_present_one) {
  start_with_stock_node();
  stock_->plant("a", other_life());
  create("a");
  run_for(seconds(3));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(mark_of("a"), get("a")->uid);
}

TEST_F(PolledNodeTest, what_others_made_is_not_touched) {
  start_with_stock_node();
  stock_->plant("a", "");
  stock_->plant("b", std::string(32, 'f'));
  create("a");
  create("b");
  run_for(seconds(3));
  EXPECT_EQ(phase("a"), Phase::failed);
  EXPECT_EQ(get("a")->last_error, "sandbox already exists: a");
  EXPECT_EQ(phase("b"), Phase::failed);
  ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
  run_for(std::chrono::minutes(2));
  EXPECT_EQ(get("a"), nullptr);
  EXPECT_TRUE(stock_->machine.contains(SandboxId("a")));
  EXPECT_EQ(mark_of("b"), std::string(32, 'f'));
}

TEST_F(PolledNodeTest, left_overs_with_our_mark_are_removed_after_the_grace) {
  config_.orphan_grace = seconds(20);
  start_with_stock_node();
  for (const char* id : {"left-1", "left-2", "left-3"}) stock_->plant(id, other_life());
  stock_->plant("stranger", "");
  stock_->plant("theirs", std::string(32, 'f'));
  run_for(seconds(15));
  EXPECT_TRUE(stock_->machine.contains(SandboxId("left-1")));
  run_for(seconds(45));
  for (const char* id : {"left-1", "left-2", "left-3"}) EXPECT_FALSE(stock_->machine.contains(SandboxId(id))) << id;
  EXPECT_TRUE(stock_->machine.contains(SandboxId("stranger")));
  EXPECT_TRUE(stock_->machine.contains(SandboxId("theirs")));
  EXPECT_TRUE(stock_->machine.contains(SandboxId("first"))) << "and what is known stays";
}

TEST_F(PolledNodeTest, a_delete_at_any_moment_wins_and_the_id_begins_a_new_life) {
  start_with_stock_node();
  for (int wait_ms = 0; wait_ms < 1200; wait_ms += 97) {
    create("a");
    run_for(milliseconds(wait_ms));
    ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
    if (get("a")) {
      EXPECT_EQ(run(service_->create(sandbox("a"))).error().code(), ErrorCode::already_exists)
          << "not before the node has confirmed";
    }
    ASSERT_TRUE(run(service_->wait_gone(SandboxId("a"), seconds(10))));
    EXPECT_TRUE(stock_->machine.empty()) << wait_ms;
  }
}

TEST_F(PolledNodeTest, a_create_that_arrives_after_its_delete_is_found) {
  config_.sandbox_op_timeout = seconds(1);
  stock_->create_takes = seconds(4);
  start_with_stock_node();
  create("a");
  run_for(milliseconds(500));
  ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
  ASSERT_TRUE(run(service_->wait_gone(SandboxId("a"), seconds(10))));
  run_for(seconds(5));
  ASSERT_TRUE(stock_->machine.contains(SandboxId("a"))) << "the node made it all the same";
  run_for(seconds(60));
  EXPECT_TRUE(stock_->machine.empty());
}

TEST_F(PolledNodeTest, a_delete_that_the_node_refuses_is_tried_again) {
  start_with_stock_node();
  create_running("a");
  stock_->removal_fault = "lock timeout for a";
  ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
  run_for(seconds(5));
  EXPECT_EQ(phase("a"), Phase::deleting);
  EXPECT_EQ(get("a")->last_error, "lock timeout for a");
  stock_->removal_fault.clear();
  run_for(seconds(11));
  EXPECT_EQ(get("a"), nullptr);
}

TEST_F(PolledNodeTest, a_delete_that_a_kill_interrupted_goes_on_as_soon_as_the_node_is_linked) {
  start_with_stock_node();
  create_running("a");
  stock_->removal_fault = "lock timeout for a";
  ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
  stop();
  stock_->removal_fault.clear();
  start();
  const Duration took = time_until([&] { return !get("a"); }, seconds(20));
  EXPECT_LT(took, seconds(2));
}

TEST_F(PolledNodeTest, one_that_refuses_is_answered_for_after_its_first_failure) {
  start();
  UpsertNode request;
  request.id = NodeId("wrong");
  request.address = {"10.0.0.1", 9};  // nobody listens there
  const MonoTime before = clock_.mono_now();
  const auto wrong = run(service_->upsert_node(request, seconds(3)));
  ASSERT_TRUE(wrong);
  EXPECT_LT(clock_.mono_now() - before, milliseconds(500));
  EXPECT_EQ((*wrong)->state, NodeState::unknown);
  EXPECT_EQ((*wrong)->failure_streak, 1);
  EXPECT_EQ((*wrong)->last_error, "connection refused");
  EXPECT_TRUE((*wrong)->last_heartbeat) << "of the last attempt, successful or not";
}

TEST_F(PolledNodeTest, the_time_of_a_change_is_not_moved_by_health) {
  start_with_stock_node();
  const WallTime changed = node("stock")->updated_at;
  transport_.detach(9);
  time_until([&] { return node("stock")->state == NodeState::not_ready; }, seconds(60));
  ASSERT_EQ(node("stock")->state, NodeState::not_ready);
  EXPECT_EQ(node("stock")->updated_at, changed);
  PatchNode patch;
  patch.unschedulable = true;
  ASSERT_TRUE(run(service_->patch_node(NodeId("stock"), patch)));
  EXPECT_GT(node("stock")->updated_at, changed);
}

TEST_F(PolledNodeTest, what_others_use_is_not_given_away) {
  stock_->foreign_cpu_milli = 3500;
  start_with_stock_node();
  create("small", 400);
  create("large", 1000);
  run_for(seconds(3));
  EXPECT_EQ(phase("small"), Phase::running);
  EXPECT_EQ(phase("large"), Phase::pending);
  stock_->foreign_cpu_milli = 0;
  run_for(seconds(31));
  EXPECT_EQ(phase("large"), Phase::running);
}

TEST_F(PolledNodeTest, a_node_without_room_sends_a_sandbox_back_to_those_who_wait) {
  start_with_stock_node();
  stock_->refusal = "insufficient cpu allocatable: requested=100m used=4000m limit=4000m (90% of host)";
  stock_->refusal_code = ErrorCode::resource_exhausted;
  create("a");
  run_for(seconds(15));
  EXPECT_NE(phase("a"), Phase::failed);
  EXPECT_TRUE(stock_->machine.empty());
  stock_->refusal.clear();
  run_for(seconds(15));
  EXPECT_EQ(phase("a"), Phase::running);

  stock_->refusal = "container app: unsupported capability \"x\"";
  stock_->refusal_code = ErrorCode::invalid_argument;
  create("b");
  run_for(seconds(2));
  EXPECT_EQ(phase("b"), Phase::failed) << "what can never be is failed at once";
  EXPECT_EQ(get("b")->last_error, "container app: unsupported capability \"x\"");
}

TEST_F(PolledNodeTest, learns_that_a_node_streams_and_that_it_does_not_any_more) {
  start_with_stock_node();
  auto ours = std::make_shared<world::ModelNode>(context_.get_executor(), clock_, 2,
                                                 world::ModelNodeOptions{4000, 1 << 30, 0, seconds(5)});
  ours->start();
  transport_.detach(9);
  transport_.attach(9, ours);
  run_for(seconds(31));
  EXPECT_EQ(node("stock")->boot_id, "boot-1") << "from its stream";
  create("a");
  run_for(seconds(1));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_TRUE(ours->machine.at(SandboxId("a")).spec.volumes.empty()) << "a node that knows uids needs no mark";
  ours->crash();
  transport_.detach(9);
  transport_.attach(9, stock_);
  run_for(seconds(10));
  create("b");
  run_for(seconds(5));
  EXPECT_EQ(phase("b"), Phase::running);
  ours->cancel();
  run(ours->join());
}

TEST_F(PolledNodeTest, dead_and_slow_nodes_never_delay_the_others) {
  start();
  std::vector<std::shared_ptr<test::SimStockNode>> others;
  const auto add = [&](int port) {
    others.push_back(std::make_shared<test::SimStockNode>(context_.get_executor(), clock_));
    others.back()->report = {};  // no room: only its polls are of interest
    UpsertNode request;
    request.id = NodeId("n" + std::to_string(port));
    request.address = {"10.0.0.1", port};
    transport_.attach(port, others.back());
    ASSERT_TRUE(run(service_->upsert_node(request, Duration::zero())));
  };
  for (int port = 100; port < 900; ++port) add(port);
  run_for(seconds(5));
  for (int port = 100; port < 800; ++port) transport_.cut(port, true, true);
  for (int port = 800; port < 900; ++port) transport_.slow(port, milliseconds(2500));
  run_for(seconds(60));
  ASSERT_TRUE(register_node("stock", 9, stock_));
  const int probes = stock_->probes;
  create("a");
  const Duration took = time_until([&] { return phase("a") == Phase::running; }, seconds(20));
  EXPECT_LT(took, milliseconds(1600));
  run_for(seconds(60));
  EXPECT_GE(stock_->probes - probes, 5);
  EXPECT_EQ(node("n850")->state, NodeState::ready) << "slow is not dead";
  EXPECT_EQ(node("n100")->state, NodeState::not_ready);
  for (int port = 100; port < 800; ++port) transport_.cut(port, false, false);
  run_for(seconds(30));
  EXPECT_EQ(node("n100")->state, NodeState::ready);
  EXPECT_EQ(node("n799")->state, NodeState::ready);
}

}  // namespace
}  // namespace sandboxd::orch
