// Pausing, stopping and starting again, from a caller's wish to the node and back.
#include "unit/orch/engine_fixture.hpp"

namespace sandboxd::orch {
namespace {

using model::Desired;
using model::Phase;

class LifeTest : public EngineFixture {
 protected:
  ~LifeTest() override {
    stop();
    node_->cancel();
    run(node_->join());
  }
  void start_with_running() {
    start();
    node_->start();
    register_node("n", 7, node_);
    auto request = sandbox("a", 3000);
    request.spec.ttl_seconds = ttl_;
    request.spec.on_expiry = on_expiry_;
    ASSERT_TRUE(run(service_->create(request)));
    ASSERT_EQ(reach(Phase::running), Phase::running);
  }
  Phase reach(Phase wanted) {
    const auto came = run(service_->wait_phase(SandboxId("a"), {wanted, Phase::failed}, std::chrono::seconds(60)));
    return came ? (*came)->phase : Phase::deleting;
  }
  std::string reason(const Result<SandboxRef>& refused) {
    if (refused || refused.error().code() != ErrorCode::conflict || refused.error().reasons().empty()) return "none";
    return refused.error().reasons().front();
  }
  Result<SandboxRef> pause() { return run(service_->pause(SandboxId("a"))); }
  Result<SandboxRef> resume() { return run(service_->resume(SandboxId("a"))); }
  Result<SandboxRef> stop_it() { return run(service_->stop(SandboxId("a"))); }
  Result<SandboxRef> start_it() { return run(service_->start(SandboxId("a"))); }
  Result<SandboxRef> restart_it() { return run(service_->restart(SandboxId("a"))); }
  // Of the control plane.
  void crash_and_return() {
    stop();
    start();
  }

  std::int64_t ttl_ = 0;
  model::OnExpiry on_expiry_ = model::OnExpiry::remove;
  std::shared_ptr<world::ModelNode> node_ = std::make_shared<world::ModelNode>(
      context_.get_executor(), clock_, 2, world::ModelNodeOptions{4000, 1 << 30, 0, std::chrono::seconds(5)});
};

TEST_F(LifeTest, pause_and_resume) {
  start_with_running();
  const auto since = get("a")->running_since;
  EXPECT_EQ(reason(resume()), "not_paused");
  const auto pausing = pause();
  ASSERT_TRUE(pausing);
  EXPECT_EQ((*pausing)->phase, Phase::pausing);
  EXPECT_EQ((*pausing)->desired, Desired::paused);
  EXPECT_EQ(reach(Phase::paused), Phase::paused);
  EXPECT_EQ(reason(pause()), "already_paused");
  EXPECT_EQ(reason(start_it()), "already_running");
  ASSERT_TRUE(resume());
  EXPECT_EQ(reach(Phase::running), Phase::running);
  EXPECT_EQ(get("a")->running_since, since) << "the same life";
}

TEST_F(LifeTest, a_stopped_one_stays_on_its_node_and_gives_room_to_others) {
  start_with_running();
  const auto port = get("a")->ports.at(0).host_port;
  ASSERT_TRUE(stop_it());
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  EXPECT_EQ(get("a")->node, NodeId("n"));
  EXPECT_TRUE(get("a")->ended_at);
  EXPECT_EQ(reason(stop_it()), "already_stopped");
  EXPECT_EQ(reason(pause()), "not_running");
  ASSERT_TRUE(run(service_->create(sandbox("b", 3000))));
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(phase("b"), Phase::running);
  const auto refused = start_it();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unschedulable);
  ASSERT_EQ(refused.error().reasons().size(), 1U);
  EXPECT_NE(refused.error().reasons()[0].find("cpu"), std::string::npos);
  ASSERT_TRUE(run(service_->remove(SandboxId("b"))));
  run_for(std::chrono::seconds(2));
  ASSERT_TRUE(start_it());
  ASSERT_EQ(reach(Phase::running), Phase::running);
  EXPECT_EQ(get("a")->ports.at(0).host_port, port);
  EXPECT_FALSE(get("a")->ended_at);
}

TEST_F(LifeTest, a_restart_ends_and_begins) {
  start_with_running();
  const auto since = *get("a")->running_since;
  ASSERT_TRUE(restart_it());
  EXPECT_EQ(phase("a"), Phase::stopping);
  ASSERT_EQ(reach(Phase::running), Phase::running);
  EXPECT_GT(*get("a")->running_since, since);
  ASSERT_TRUE(pause());
  ASSERT_EQ(reach(Phase::paused), Phase::paused);
  ASSERT_TRUE(restart_it());
  ASSERT_EQ(reach(Phase::running), Phase::running);
  ASSERT_TRUE(stop_it());
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  ASSERT_TRUE(restart_it());
  EXPECT_EQ(reach(Phase::running), Phase::running);
}

TEST_F(LifeTest, wishes_survive_a_crash_of_the_control_plane) {
  start_with_running();
  transport_.detach(7);
  ASSERT_TRUE(pause());
  crash_and_return();
  EXPECT_EQ(phase("a"), Phase::pausing);
  transport_.attach(7, node_);
  ASSERT_EQ(reach(Phase::paused), Phase::paused);
  transport_.detach(7);
  ASSERT_TRUE(stop_it());
  crash_and_return();
  transport_.attach(7, node_);
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  ASSERT_TRUE(start_it());
  crash_and_return();
  ASSERT_EQ(reach(Phase::running), Phase::running);
}

TEST_F(LifeTest, it_expires_by_stopping_and_a_start_gives_it_its_time_again) {
  ttl_ = 10;
  on_expiry_ = model::OnExpiry::stop;
  start_with_running();
  ASSERT_TRUE(run(service_->renew(SandboxId("a"), 30)));
  run_for(std::chrono::seconds(15));
  EXPECT_EQ(phase("a"), Phase::running);
  run_for(std::chrono::seconds(20));
  EXPECT_EQ(phase("a"), Phase::stopped);
  EXPECT_FALSE(get("a")->expires_at);
  ASSERT_TRUE(run(service_->renew(SandboxId("a"), 5)));
  run_for(std::chrono::seconds(20));
  EXPECT_EQ(phase("a"), Phase::stopped);
  ASSERT_TRUE(start_it());
  ASSERT_EQ(reach(Phase::running), Phase::running);
  run_for(std::chrono::seconds(12));
  EXPECT_EQ(phase("a"), Phase::stopped);
  EXPECT_EQ(run(service_->renew(SandboxId("a"), 0)).error().code(), ErrorCode::invalid_argument);
}

TEST_F(LifeTest, what_ended_by_itself_starts_again_where_its_files_are_kept) {
  start_with_running();
  while (!node_->kill_one()) {
  }
  ASSERT_EQ(reach(Phase::failed), Phase::failed);
  EXPECT_EQ(reason(start_it()), "files_gone");
}

TEST_F(LifeTest, it_is_deleted_in_every_phase) {
  for (const auto& before : {Phase::paused, Phase::stopped, Phase::stopping, Phase::pausing}) {
    start_with_running();
    if (before == Phase::paused || before == Phase::pausing) ASSERT_TRUE(pause());
    if (before == Phase::stopped || before == Phase::stopping) ASSERT_TRUE(stop_it());
    if (before == Phase::paused || before == Phase::stopped) ASSERT_EQ(reach(before), before);
    ASSERT_TRUE(run(service_->remove(SandboxId("a"))));
    ASSERT_TRUE(run(service_->wait_gone(SandboxId("a"), std::chrono::seconds(20))));
    EXPECT_TRUE(node_->machine.empty());
    stop();
  }
}

TEST_F(LifeTest, late_calls_of_earlier_wishes_change_nothing) {
  start_with_running();
  transport_.options.duplicate_permille = 1000;
  transport_.options.late_permille = 500;
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(stop_it());
    ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
    ASSERT_TRUE(start_it());
    ASSERT_EQ(reach(Phase::running), Phase::running);
    ASSERT_TRUE(pause());
    ASSERT_EQ(reach(Phase::paused), Phase::paused);
    ASSERT_TRUE(resume());
    ASSERT_EQ(reach(Phase::running), Phase::running);
  }
  run_for(std::chrono::seconds(60));
  EXPECT_EQ(phase("a"), Phase::running);
}

TEST_F(LifeTest, the_ports_of_a_stopped_one_are_nobody_elses) {
  config_.host_port_min = config_.host_port_max = 21000;
  start_with_running();
  ASSERT_TRUE(stop_it());
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  ASSERT_EQ(get("a")->ports.at(0).host_port, 21000);
  ASSERT_TRUE(run(service_->create(sandbox("b", 500))));
  run_for(std::chrono::seconds(2));
  EXPECT_EQ(phase("b"), Phase::pending) << "there is room, and no port";
  ASSERT_TRUE(start_it());
  ASSERT_EQ(reach(Phase::running), Phase::running);
  EXPECT_EQ(get("a")->ports.at(0).host_port, 21000);
  ASSERT_TRUE(run(service_->remove(SandboxId("b"))));
}

class AskedOfTheNode : public LifeTest {
 protected:
  void ask(ports::LifeVerb verb) { ASSERT_TRUE(run(node_->change_life(SandboxId("a"), get("a")->uid, verb, 0))); }
};

TEST_F(AskedOfTheNode, what_it_did_is_shown_and_is_what_counts) {
  ttl_ = 300;
  start_with_running();
  ask(ports::LifeVerb::pause);
  ASSERT_EQ(reach(Phase::paused), Phase::paused);
  EXPECT_EQ(get("a")->desired, Desired::paused);
  crash_and_return();
  run_for(std::chrono::seconds(10));
  EXPECT_EQ(phase("a"), Phase::paused) << "nobody wants it to go on";
  ask(ports::LifeVerb::resume);
  ASSERT_EQ(reach(Phase::running), Phase::running);
  EXPECT_EQ(get("a")->desired, Desired::running);
  ask(ports::LifeVerb::stop);
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  EXPECT_EQ(get("a")->desired, Desired::stopped);
  const auto since = get("a")->running_since;
  ask(ports::LifeVerb::start);
  ASSERT_EQ(reach(Phase::running), Phase::running);
  EXPECT_EQ(get("a")->desired, Desired::running);
  EXPECT_GT(get("a")->running_since, since);
  EXPECT_FALSE(get("a")->ended_at);
  EXPECT_TRUE(get("a")->expires_at) << "a life has its time";
}

TEST_F(AskedOfTheNode, a_stopped_one_can_be_started_here) {
  start_with_running();
  ask(ports::LifeVerb::stop);
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  ASSERT_TRUE(start_it());
  EXPECT_EQ(reach(Phase::running), Phase::running);
}

TEST_F(AskedOfTheNode, a_start_is_seen_by_a_control_plane_that_was_away) {
  start_with_running();
  ASSERT_TRUE(stop_it());
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  transport_.detach(7);
  ask(ports::LifeVerb::start);
  run_for(std::chrono::seconds(2));
  crash_and_return();
  EXPECT_EQ(phase("a"), Phase::stopped);
  transport_.attach(7, node_);
  EXPECT_EQ(reach(Phase::running), Phase::running);
}

TEST_F(AskedOfTheNode, a_start_and_a_pause_behind_the_control_planes_back_are_both_followed) {
  start_with_running();
  ASSERT_TRUE(stop_it());
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  transport_.detach(7);
  ask(ports::LifeVerb::start);
  run_for(std::chrono::seconds(2));
  ask(ports::LifeVerb::pause);
  ASSERT_EQ(node_->machine.at(SandboxId("a")).phase, Phase::paused);
  transport_.attach(7, node_);
  ASSERT_EQ(reach(Phase::paused), Phase::paused);
  EXPECT_EQ(get("a")->desired, Desired::paused);
  EXPECT_FALSE(get("a")->ended_at);
  ask(ports::LifeVerb::resume);
  EXPECT_EQ(reach(Phase::running), Phase::running);
}

// The answer to the stop is lost, and the node is asked for the opposite before the stop is repeated.
TEST_F(AskedOfTheNode, a_repeated_wish_does_not_undo_a_later_one) {
  start_with_running();
  const std::string uid = get("a")->uid;
  transport_.detach(7);
  ASSERT_TRUE(stop_it());
  const auto order = get("a")->revision;
  ASSERT_TRUE(run(node_->change_life(SandboxId("a"), uid, ports::LifeVerb::stop, order)));
  run_for(std::chrono::seconds(1));
  ask(ports::LifeVerb::start);
  run_for(std::chrono::seconds(1));
  ASSERT_EQ(node_->machine.at(SandboxId("a")).phase, Phase::running);
  transport_.attach(7, node_);
  run_for(std::chrono::seconds(60));
  EXPECT_EQ(node_->machine.at(SandboxId("a")).phase, Phase::running);
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(get("a")->desired, Desired::running);
}

TEST_F(AskedOfTheNode, a_wish_that_the_node_does_not_know_yet_stands) {
  start_with_running();
  transport_.detach(7);
  ask(ports::LifeVerb::pause);
  ASSERT_TRUE(stop_it());
  transport_.attach(7, node_);
  ASSERT_EQ(reach(Phase::stopped), Phase::stopped);
  EXPECT_EQ(get("a")->desired, Desired::stopped);
}

}  // namespace
}  // namespace sandboxd::orch
