// The engine with a simulated store, network, clock and node: turns, durability, calls to nodes.
#include "unit/orch/engine_fixture.hpp"

namespace sandboxd::orch {
namespace {

using model::Phase;

class EngineTest : public EngineFixture {
 protected:
  ~EngineTest() override {
    stop();
    node_->cancel();
    run(node_->join());
  }
  void start_with_node() {
    start();
    node_->start();
    const NodeRef node = register_node("n", 7, node_);
    ASSERT_TRUE(node);
    ASSERT_EQ(node->state, model::NodeState::ready);
  }

  std::shared_ptr<world::ModelNode> node_ = std::make_shared<world::ModelNode>(
      context_.get_executor(), clock_, 2, world::ModelNodeOptions{4000, 1 << 30, 0, std::chrono::seconds(5)});
};

TEST_F(EngineTest, a_create_is_answered_pending_and_comes_to_run) {
  start_with_node();
  const auto created = run(service_->create(sandbox("a")));
  ASSERT_TRUE(created);
  EXPECT_EQ((*created)->phase, Phase::pending);
  EXPECT_EQ((*created)->uid.size(), 32U);
  EXPECT_EQ(get("a")->phase, Phase::scheduled) << "placed in the turn of its creation";
  EXPECT_EQ(get("a")->revision, (*created)->revision + 1);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("a")->phase, Phase::running);
  ASSERT_EQ(get("a")->ports.size(), 1U);
  EXPECT_GE(get("a")->ports[0].host_port, 10000);
  EXPECT_LE(get("a")->ports[0].host_port, 32767);
}

TEST_F(EngineTest, bad_and_double_creates_are_refused_without_a_trace) {
  start_with_node();
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  const std::int64_t before = engine_->state().revision();
  EXPECT_EQ(run(service_->create(sandbox("a"))).error().code(), ErrorCode::already_exists);
  EXPECT_EQ(run(service_->create(sandbox("../a"))).error().code(), ErrorCode::invalid_argument);
  CreateSandbox same_name = sandbox("b");
  same_name.name = "a";
  EXPECT_EQ(run(service_->create(same_name)).error().code(), ErrorCode::already_exists);
  same_name.owner = "ann";
  EXPECT_TRUE(run(service_->create(same_name))) << "names are per owner";
  EXPECT_GT(engine_->state().revision(), before);
}

TEST_F(EngineTest, a_name_may_change_hands_in_one_turn) {
  start();
  CreateSandbox first = sandbox("z");
  first.name = "web";
  ASSERT_TRUE(run(service_->create(first)));
  CreateSandbox second = sandbox("a");
  second.name = "web";
  // Both wait in the inbox while a turn is in the store, so the next turn has both.
  const auto change_hands = [&](const Error* expected) {
    disk_->faults.delay = std::chrono::milliseconds(5);
    std::vector<std::string> ends;
    const auto note = [&](const auto& result) { ends.push_back(result ? "done" : result.error().message()); };
    boost::asio::co_spawn(context_, service_->create(sandbox("busy")), [](std::exception_ptr, Result<SandboxRef>) {});
    context_.restart();
    context_.poll();
    boost::asio::co_spawn(context_, service_->remove(SandboxId("z")),
                          [&](std::exception_ptr, Result<void> result) { note(result); });
    boost::asio::co_spawn(context_, service_->create(second),
                          [&](std::exception_ptr, Result<SandboxRef> result) { note(result); });
    context_.poll();
    if (expected != nullptr) disk_->faults.fail_nth_write = 1;
    run_for(std::chrono::milliseconds(50));
    const std::string text = expected != nullptr ? expected->message() : "done";
    EXPECT_EQ(ends, (std::vector<std::string>{text, text}));
  };
  const Error failed(ErrorCode::storage_failed, "the simulated disk failed a write");
  change_hands(&failed);
  EXPECT_EQ(get("a"), nullptr);
  ASSERT_NE(get("z"), nullptr);
  EXPECT_TRUE(engine_->state().name_taken("default", "web")) << "undone";
  ASSERT_TRUE(run(service_->remove(SandboxId("busy"))));
  change_hands(nullptr);
  EXPECT_EQ(get("a")->name, "web");
  stop();
  start();
  EXPECT_EQ(get("z"), nullptr);
  EXPECT_EQ(get("a")->name, "web");
}

TEST_F(EngineTest, creates_that_come_together_share_one_commit) {
  start_with_node();
  disk_->faults.delay = std::chrono::milliseconds(5);
  int answered = 0;
  const std::uint64_t before = engine_->stats().commits;
  for (int n = 0; n < 30; ++n) {
    boost::asio::co_spawn(context_, service_->create(sandbox(("s" + std::to_string(n)).c_str())),
                          [&](std::exception_ptr, Result<SandboxRef> result) { answered += result ? 1 : 0; });
  }
  run_for(std::chrono::milliseconds(12));
  EXPECT_EQ(answered, 30);
  EXPECT_LE(engine_->stats().commits - before, 3U);
}

TEST_F(EngineTest, news_leave_the_next_commit_to_a_caller_who_comes_at_once) {
  start_with_node();
  disk_->faults.delay = std::chrono::milliseconds(1);
  const std::uint64_t before = engine_->stats().commits;
  for (int n = 0; n < 40; ++n) ASSERT_TRUE(run(service_->create(sandbox(("s" + std::to_string(n)).c_str()))));
  EXPECT_LE(engine_->stats().commits - before, 50U);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("s39")->phase, Phase::running);
}

TEST_F(EngineTest, a_full_disk_refuses_writes_and_changes_nothing) {
  start_with_node();
  disk_->faults.full = true;
  const auto refused = run(service_->create(sandbox("a")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::storage_failed);
  EXPECT_EQ(get("a"), nullptr);
  EXPECT_TRUE(node_->machine.empty());
  disk_->faults.full = false;
  EXPECT_TRUE(run(service_->create(sandbox("a"))));
  EXPECT_EQ(get("a")->ports[0].container_port, 80);
}

TEST_F(EngineTest, what_nodes_say_while_the_disk_is_full_is_not_lost) {
  start_with_node();
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  disk_->faults.full = true;
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(node_->machine.begin()->second.phase, Phase::running);
  EXPECT_EQ(get("a")->phase, Phase::scheduled);
  // Wishes that come while the store fails must not sweep the news away.
  EXPECT_FALSE(run(service_->create(sandbox("b"))));
  disk_->faults.full = false;
  ASSERT_TRUE(run(service_->create(sandbox("c"))));
  run_for(std::chrono::seconds(6));
  EXPECT_EQ(get("a")->phase, Phase::running);
}

TEST_F(EngineTest, waits_for_capacity_and_says_why) {
  start_with_node();
  ASSERT_TRUE(run(service_->create(sandbox("big", 4000))));
  ASSERT_TRUE(run(service_->create(sandbox("next", 100))));
  EXPECT_EQ(get("next")->phase, Phase::pending);
  const auto why = run(service_->explain(SandboxId("next")));
  ASSERT_TRUE(why);
  EXPECT_EQ(*why, std::vector<std::string>{"node n: not enough cpu: needs 100m, has 0m free"});
  ASSERT_TRUE(run(service_->remove(SandboxId("big"))));
  ASSERT_TRUE(run(service_->wait_gone(SandboxId("big"), std::chrono::seconds(10))));
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("next")->phase, Phase::running);
}

TEST_F(EngineTest, gives_up_after_the_deadline_or_at_once) {
  config_.place_deadline = std::chrono::seconds(20);
  start_with_node();
  ASSERT_TRUE(run(service_->create(sandbox("huge", 9999))));
  run_for(std::chrono::seconds(19));
  EXPECT_EQ(get("huge")->phase, Phase::pending);
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(get("huge")->phase, Phase::failed);
  EXPECT_EQ(get("huge")->last_error, "no feasible schedulable node for selector/resources/ports");
  EXPECT_EQ(get("huge")->reasons.size(), 1U);

  stop();
  config_.place_or_fail = "fail";
  start();
  run_for(std::chrono::seconds(20));
  ASSERT_TRUE(run(service_->create(sandbox("now", 9999))));
  EXPECT_EQ(get("now")->phase, Phase::failed);
}

TEST_F(EngineTest, a_wait_goes_on_after_a_restart_and_outlasts_jumps_of_the_clock) {
  config_.place_deadline = std::chrono::seconds(20);
  start_with_node();
  ASSERT_TRUE(run(service_->create(sandbox("huge", 9999))));
  clock_.jump_wall(-std::chrono::hours(1));
  clock_.jump_wall(std::chrono::hours(1));
  run_for(std::chrono::seconds(12));
  stop();
  start();
  run_for(std::chrono::seconds(7));
  EXPECT_EQ(get("huge")->phase, Phase::pending);
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(get("huge")->phase, Phase::failed);

  // A start that finds the clock turned back cannot know how long it was: it begins anew, and no longer than that.
  ASSERT_TRUE(run(service_->create(sandbox("again", 9999))));
  run_for(std::chrono::seconds(12));
  stop();
  clock_.jump_wall(-std::chrono::hours(1));
  start();
  run_for(std::chrono::seconds(19));
  EXPECT_EQ(get("again")->phase, Phase::pending);
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(get("again")->phase, Phase::failed);
}

TEST_F(EngineTest, a_delete_at_any_moment_wins) {
  start_with_node();
  for (int wait_ms = 0; wait_ms < 30; wait_ms += 3) {
    ASSERT_TRUE(run(service_->create(sandbox("a"))));
    run_for(std::chrono::milliseconds(wait_ms));
    ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
    ASSERT_TRUE(run(service_->wait_gone(SandboxId("a"), std::chrono::seconds(10))));
    EXPECT_EQ(get("a"), nullptr);
    EXPECT_TRUE(node_->machine.empty());
  }
  EXPECT_EQ(run(service_->remove(SandboxId("a"))).error().code(), ErrorCode::not_found);
}

TEST_F(EngineTest, time_to_live_removes_or_stops) {
  start_with_node();
  CreateSandbox removed = sandbox("removed");
  removed.spec.ttl_seconds = 3;
  CreateSandbox stopped = sandbox("stopped");
  stopped.spec.ttl_seconds = 3;
  stopped.spec.on_expiry = model::OnExpiry::stop;
  ASSERT_TRUE(run(service_->create(removed)));
  ASSERT_TRUE(run(service_->create(stopped)));
  run_for(std::chrono::milliseconds(2900));
  EXPECT_EQ(get("removed")->phase, Phase::running);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("removed"), nullptr);
  EXPECT_EQ(get("stopped")->phase, Phase::stopped);
  EXPECT_EQ(get("stopped")->node, NodeId("n")) << "where its files are";
  EXPECT_FALSE(get("stopped")->expires_at);
  EXPECT_EQ(node_->machine.size(), 1U);
}

TEST_F(EngineTest, survives_a_restart_with_everything_acknowledged) {
  start_with_node();
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  run_for(std::chrono::seconds(1));
  const SandboxRef before = get("a");
  stop();
  start();
  EXPECT_EQ(*get("a"), *before);
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("a")->phase, Phase::running);
  ASSERT_TRUE(run(service_->create(sandbox("b"))));
  EXPECT_NE(get("b")->ports[0].host_port, before->ports[0].host_port);
}

TEST_F(EngineTest, a_stored_ready_is_not_trusted_before_the_node_has_reported_to_this_process) {
  start_with_node();
  stop();
  transport_.detach(7);
  start();
  ASSERT_EQ(node("n")->state, model::NodeState::ready) << "as it was stored";
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  run_for(std::chrono::seconds(5));
  EXPECT_EQ(get("a")->phase, Phase::pending);
  transport_.attach(7, node_);
  run_for(std::chrono::seconds(6));
  EXPECT_EQ(get("a")->phase, Phase::running);
}

TEST_F(EngineTest, a_lost_sandbox_fails_and_keeps_an_earlier_reason) {
  start_with_node();
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  run_for(std::chrono::seconds(1));
  node_->machine.clear();
  transport_.break_streams(7);
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(get("a")->phase, Phase::failed);
  EXPECT_EQ(get("a")->last_error, "deleted on sbxlet node");

  ASSERT_TRUE(run(service_->create(sandbox("b"))));
  run_for(std::chrono::seconds(1));
  while (node_->machine.at(SandboxId("b")).phase == Phase::running) node_->kill_one();
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("b")->last_error, "container app: exited with code 137");
  node_->machine.clear();
  transport_.break_streams(7);
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(get("b")->last_error, "container app: exited with code 137");
}

TEST_F(EngineTest, removes_its_own_left_overs_and_nobody_elses) {
  start_with_node();
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  model::NodeSandbox ours;
  ours.id = SandboxId("ours");
  ours.uid = get("a")->uid.substr(0, 8) + std::string(24, '0');
  ours.phase = Phase::running;
  model::NodeSandbox theirs = ours;
  theirs.id = SandboxId("theirs");
  theirs.uid = std::string(32, '0');
  node_->machine[ours.id] = ours;
  node_->machine[theirs.id] = theirs;
  transport_.break_streams(7);
  run_for(std::chrono::seconds(5));
  EXPECT_TRUE(node_->machine.contains(ours.id)) << "not before the grace is over";
  run_for(std::chrono::seconds(10));
  EXPECT_FALSE(node_->machine.contains(ours.id));
  EXPECT_TRUE(node_->machine.contains(theirs.id));
}

TEST_F(EngineTest, a_life_on_one_node_waits_for_no_call_to_another) {
  start_with_node();
  const auto silent = std::make_shared<world::ModelNode>(context_.get_executor(), clock_, 2, world::ModelNodeOptions());
  silent->start();
  register_node("m", 8, silent);
  PatchNode cordon;
  cordon.unschedulable = true;
  ASSERT_TRUE(run(service_->patch_node(NodeId("m"), cordon)));
  ASSERT_TRUE(run(service_->create(sandbox("mark"))));
  model::NodeSandbox left_over;
  left_over.id = SandboxId("a");
  left_over.uid = get("mark")->uid.substr(0, 8) + std::string(24, '0');
  left_over.phase = Phase::running;
  silent->machine[left_over.id] = left_over;
  transport_.break_streams(8);
  run_for(std::chrono::seconds(9));  // found; its removal is due when its grace is over
  transport_.detach(8);
  run_for(std::chrono::seconds(6));
  ASSERT_GT(engine_->calls_to_nodes(), 0U) << "its removal should be under way, without an answer";
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("a")->phase, Phase::running);
  EXPECT_EQ(get("a")->node, NodeId("n"));
  silent->cancel();
  run(silent->join());
}

TEST_F(EngineTest, a_refused_create_fails_with_the_nodes_words_and_frees_its_place) {
  start_with_node();
  model::NodeSandbox other_life;
  other_life.id = SandboxId("a");
  other_life.uid = "another life";
  node_->machine[other_life.id] = other_life;
  ASSERT_TRUE(run(service_->create(sandbox("a", 4000))));
  run_for(std::chrono::seconds(1));
  EXPECT_EQ(get("a")->phase, Phase::failed);
  EXPECT_EQ(get("a")->last_error, "sandbox already exists: a");
  EXPECT_TRUE(get("a")->ports.empty());
  EXPECT_EQ(node_->machine.count(other_life.id), 1U) << "the other life is not ours to remove";
  ASSERT_TRUE(run(service_->create(sandbox("b", 3000))));
  EXPECT_EQ(get("b")->phase, Phase::scheduled);
}

TEST_F(EngineTest, a_port_of_another_program_makes_it_try_the_next_ones) {
  for (std::set<int>* taken : {&node_->foreign_ports, &node_->ports_taken_late}) {
    if (!engine_) start_with_node();
    (taken == &node_->foreign_ports ? node_->next_foreign_ports : node_->next_ports_taken_late) = 4;
    const auto created = run(service_->create(sandbox("a", 3000)));
    ASSERT_TRUE(created);
    run_for(std::chrono::seconds(3));
    const SandboxRef running = get("a");
    ASSERT_EQ(running->phase, Phase::running) << running->last_error;
    EXPECT_EQ(taken->size(), 4U);
    EXPECT_FALSE(taken->contains(running->ports.at(0).host_port));
    EXPECT_NE(running->uid, (*created)->uid) << "another life for the nodes";
    EXPECT_EQ(running->last_error, "");
    EXPECT_TRUE(running->reasons.empty());
    ASSERT_EQ(node_->machine.size(), 1U) << "nothing of the lives before is left";
    EXPECT_EQ(node_->machine.at(SandboxId("a")).uid, running->uid);
    taken->clear();
    ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
    ASSERT_TRUE(run(service_->wait_gone(SandboxId("a"), std::chrono::seconds(10))));
    EXPECT_TRUE(node_->machine.empty());
  }
}

TEST_F(EngineTest, a_refused_port_rests_and_the_next_sandbox_gets_another) {
  start_with_node();
  node_->next_foreign_ports = 1;
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  run_for(std::chrono::seconds(1));
  ASSERT_EQ(node_->foreign_ports.size(), 1U);
  const int refused = *node_->foreign_ports.begin();
  EXPECT_NE(get("a")->ports.at(0).host_port, refused);
  EXPECT_TRUE(engine_->state().cluster().is_port_taken(NodeId("n"), refused)) << "in quarantine";
  run_for(config_.host_port_quarantine);
  ASSERT_TRUE(run(service_->create(sandbox("b"))));
  EXPECT_FALSE(engine_->state().cluster().is_port_taken(NodeId("n"), refused));
}

TEST_F(EngineTest, it_gives_up_after_a_number_of_refused_ports_and_names_them) {
  start_with_node();
  node_->next_foreign_ports = 100;
  ASSERT_TRUE(run(service_->create(sandbox("a"))));
  run_for(std::chrono::seconds(3));
  const SandboxRef failed = get("a");
  EXPECT_EQ(failed->phase, Phase::failed);
  EXPECT_EQ(failed->last_error.find("host port already in use: "), 0U) << failed->last_error;
  ASSERT_EQ(failed->reasons.size(), 8U);
  EXPECT_EQ(failed->reasons[0].find("node n: host port already in use: "), 0U) << failed->reasons[0];
  EXPECT_EQ(node_->foreign_ports.size(), 9U);
  EXPECT_TRUE(failed->ports.empty());
  EXPECT_TRUE(node_->machine.empty());
}

TEST_F(EngineTest, a_port_that_the_user_named_is_not_exchanged) {
  start_with_node();
  for (std::set<int>* taken : {&node_->foreign_ports, &node_->ports_taken_late}) {
    node_->foreign_ports.clear();
    taken->insert(18080);
    const char* id = taken == &node_->foreign_ports ? "a" : "b";
    CreateSandbox named = sandbox(id);
    named.spec.ports[0].host_port = 18080;
    ASSERT_TRUE(run(service_->create(named)));
    run_for(std::chrono::seconds(7));
    EXPECT_EQ(get(id)->phase, Phase::failed);
    EXPECT_EQ(get(id)->last_error, "host port already in use: 18080/tcp (bind: Address already in use)");
    EXPECT_TRUE(get(id)->reasons.empty());
  }
}

TEST_F(EngineTest, a_restart_while_the_port_is_exchanged_loses_nothing) {
  start_with_node();
  node_->next_ports_taken_late = 1;
  const auto created = run(service_->create(sandbox("a")));
  ASSERT_TRUE(created);
  for (int n = 0; n < 100000 && get("a")->uid == (*created)->uid; ++n) step();
  ASSERT_NE(get("a")->uid, (*created)->uid);
  ASSERT_TRUE(node_->machine.contains(SandboxId("a"))) << "the first life is still there";
  stop();
  start();
  run_for(std::chrono::seconds(5));
  EXPECT_EQ(get("a")->phase, Phase::running) << get("a")->last_error;
  EXPECT_EQ(node_->machine.at(SandboxId("a")).uid, get("a")->uid);
}

TEST_F(EngineTest, a_delete_while_the_port_is_exchanged_wins) {
  start_with_node();
  node_->next_ports_taken_late = 1;
  const auto created = run(service_->create(sandbox("a")));
  ASSERT_TRUE(created);
  for (int n = 0; n < 100000 && get("a")->uid == (*created)->uid; ++n) step();
  ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
  ASSERT_TRUE(run(service_->wait_gone(SandboxId("a"), std::chrono::seconds(10))));
  run_for(std::chrono::seconds(3));
  EXPECT_TRUE(node_->machine.empty());
}

TEST_F(EngineTest, a_silent_node_is_not_ready_until_it_speaks) {
  start_with_node();
  transport_.cut(7, true, true);
  run_for(std::chrono::seconds(10));
  EXPECT_EQ((*run(service_->get_node(NodeId("n"))))->state, model::NodeState::ready);
  run_for(std::chrono::seconds(10));
  EXPECT_EQ((*run(service_->get_node(NodeId("n"))))->state, model::NodeState::not_ready);
  transport_.cut(7, false, false);
  run_for(std::chrono::seconds(20));
  EXPECT_EQ((*run(service_->get_node(NodeId("n"))))->state, model::NodeState::ready);
}

TEST_F(EngineTest, heartbeats_are_not_events) {
  start_with_node();
  const std::int64_t before = engine_->state().revision();
  const std::uint64_t commits = engine_->stats().commits;
  run_for(std::chrono::minutes(2));
  EXPECT_EQ(engine_->state().revision(), before);
  EXPECT_EQ(engine_->stats().commits, commits);
}

TEST_F(EngineTest, refuses_work_after_stop) {
  start();
  run(engine_->stop());
  EXPECT_EQ(run(service_->create(sandbox("a"))).error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace sandboxd::orch
