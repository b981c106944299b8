// What a restart policy does while the agent lives.
#include "unit/node/restart_fixture.hpp"

namespace sandboxd::node {
namespace {

using model::ContainerPhase;
using model::Phase;
using model::RestartPolicy;
using std::chrono::milliseconds;

class RestartTest : public RestartFixture {
 protected:
  void SetUp() override { start_agent(); }
};

model::Container program(model::Container container, std::vector<std::string> args) {
  container.command_kind = model::CommandKind::given;
  container.args = std::move(args);
  return container;
}

TEST_F(RestartTest, a_killed_container_comes_back_in_the_same_slot_with_its_ports) {
  create(request(RestartPolicy::on_failure));
  const model::NodeSandbox before = sandbox();
  kill();
  ASSERT_TRUE(restarted(1));
  EXPECT_EQ(sandbox().slot, before.slot);
  EXPECT_EQ(sandbox().ip, before.ip);
  EXPECT_NE(container().key, before.containers[0].key) << "a life has a name of its own";
  EXPECT_NE(container().pid, before.containers[0].pid);
  expect_whole();
  delete_and_expect_clean();
}

TEST_F(RestartTest, while_it_waits_the_sandbox_runs_and_the_container_says_why_it_does_not) {
  create(request(RestartPolicy::always));
  kill(0, 3);
  ASSERT_TRUE(run_until([&] { return container().exit_code == 3; }));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(container().phase, ContainerPhase::creating);
  EXPECT_EQ(container().task_status, "container_exited");
  const auto status = agent_->status(SandboxId("a"));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->phase, Phase::running) << "the control plane sees no end";
  ASSERT_TRUE(restarted(1));
  EXPECT_FALSE(container().exit_code);
  EXPECT_EQ(container().task_status, "");
}

TEST_F(RestartTest, success_ends_it_unless_it_is_always_wanted) {
  create(request(RestartPolicy::on_failure));
  kill(0, 0);
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::stopped; }));
  EXPECT_EQ(container().exit_code, 0);
  EXPECT_EQ(container().restarts, 0);
  delete_and_expect_clean();
  create(request(RestartPolicy::always));
  kill(0, 0);
  EXPECT_TRUE(restarted(1));
}

TEST_F(RestartTest, never_is_the_default) {
  create(request(RestartPolicy::never));
  kill();
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  EXPECT_EQ(sandbox().error, "container c0 exited with code 137");
}

TEST_F(RestartTest, pauses_grow_for_one_that_dies_at_once) {
  auto wanted = request(RestartPolicy::always);
  wanted.spec.containers[0] = program(wanted.spec.containers[0], {"sh", "-c", "sleep 1; exit 1"});
  create(std::move(wanted));
  pass(std::chrono::minutes(3));
  const auto fast = container().restarts;
  EXPECT_GE(fast, 8) << "100 ms, 200 ms, ... 30 s and a second each";
  EXPECT_LE(fast, 13);
  pass(std::chrono::minutes(10));
  EXPECT_LE(container().restarts - fast, 21) << "half a minute apart";
  EXPECT_GE(container().restarts - fast, 18);
  EXPECT_EQ(phase("a"), Phase::running);
  delete_and_expect_clean();
}

TEST_F(RestartTest, out_of_memory_is_a_failure_like_others) {
  create(request(RestartPolicy::on_failure));
  runtime_machine_->out_of_memory(container().key);
  ASSERT_TRUE(run_until([&] { return container().error == "out of memory"; }));
  ASSERT_TRUE(restarted(1));
  EXPECT_EQ(container().error, "");
  expect_whole();
}

TEST_F(RestartTest, one_of_several_comes_back_alone) {
  create(request(RestartPolicy::on_failure, 3));
  const model::NodeSandbox before = sandbox();
  kill(1);
  ASSERT_TRUE(restarted(1, 1));
  EXPECT_EQ(sandbox().pod_key, before.pod_key);
  EXPECT_EQ(container(0).key, before.containers[0].key);
  EXPECT_EQ(container(2).pid, before.containers[2].pid);
  EXPECT_EQ(container(0).restarts, 0);
  expect_whole();
  delete_and_expect_clean();
}

TEST_F(RestartTest, two_at_once_come_back_both) {
  create(request(RestartPolicy::on_failure, 2));
  kill(0);
  kill(1, 2);
  ASSERT_TRUE(restarted(1, 0));
  ASSERT_TRUE(restarted(1, 1));
  expect_whole();
  delete_and_expect_clean();
}

TEST_F(RestartTest, the_end_of_one_for_good_ends_the_sandbox_also_while_another_waits) {
  create(request(RestartPolicy::on_failure, 2));
  for (int i = 0; i < 6; ++i) {  // so that its pause is a long one
    kill(0);
    ASSERT_TRUE(restarted(i + 1, 0));
  }
  kill(0);
  kill(1, 0);
  ASSERT_TRUE(run_until([&] { return phase("a") != Phase::running; }));
  EXPECT_EQ(phase("a"), Phase::stopped) << sandbox().error;
  EXPECT_EQ(container(0).exit_code, 137);
  pass(std::chrono::minutes(1));
  EXPECT_EQ(container(0).restarts, 6);
  EXPECT_TRUE(runtime_machine_->containers.empty());
  delete_and_expect_clean();
}

TEST_F(RestartTest, without_the_pause_container_all_of_it_is_made_again) {
  create(request(RestartPolicy::on_failure, 2));
  const model::NodeSandbox before = sandbox();
  runtime_machine_->exit(before.pod_key, 137);
  ASSERT_TRUE(restarted(1, 0));
  ASSERT_TRUE(restarted(1, 1));
  EXPECT_NE(sandbox().pod_key, before.pod_key);
  EXPECT_EQ(sandbox().slot, before.slot);
  expect_whole();
  delete_and_expect_clean();
}

TEST_F(RestartTest, under_gvisor_a_lone_container_has_a_pause_container_that_keeps_its_network) {
  create(request(RestartPolicy::always, 1, "runsc"));
  const model::NodeSandbox before = sandbox();
  ASSERT_NE(before.pod_key, "");
  kill();
  ASSERT_TRUE(restarted(1));
  EXPECT_EQ(sandbox().pod_key, before.pod_key);
  expect_whole();
  delete_and_expect_clean();
}

TEST_F(RestartTest, an_attempt_that_fails_says_so_and_is_repeated) {
  create(request(RestartPolicy::on_failure));
  runtime_machine_->fail("create", 1, Error(ErrorCode::runtime_failed, "planned"));
  runtime_machine_->fail("start", 1, Error(ErrorCode::runtime_failed, "planned too"));
  kill();
  const std::string part = "container c0 of image \"docker.io/library/busybox:latest\": planned";
  ASSERT_TRUE(run_until([&] { return container().error == "create " + part; }));
  ASSERT_TRUE(run_until([&] { return container().error == "start " + part + " too"; }));
  ASSERT_TRUE(run_until([&] { return container().phase == ContainerPhase::running; }));
  expect_whole();
  delete_and_expect_clean();
}

TEST_F(RestartTest, a_runtime_that_is_away_delays_it) {
  create(request(RestartPolicy::on_failure));
  kill();
  ASSERT_TRUE(run_until([&] { return container().phase == ContainerPhase::creating; }));
  runtime_machine_->down = true;
  runtime_machine_->break_events();
  pass(std::chrono::minutes(2));
  EXPECT_EQ(phase("a"), Phase::running);
  runtime_machine_->down = false;
  ASSERT_TRUE(run_until([&] { return container().phase == ContainerPhase::running; }));
  expect_whole();
}

TEST_F(RestartTest, an_end_that_no_event_told_of_is_found) {
  create(request(RestartPolicy::on_failure));
  runtime_machine_->containers.at(container().key).found.task = ports::FoundContainer::Task::stopped;
  runtime_machine_->containers.at(container().key).found.exit_code = 1;
  ASSERT_TRUE(run(agent_->reconcile()));
  ASSERT_TRUE(restarted(1));
  ASSERT_TRUE(run(agent_->reconcile()));
  pass(std::chrono::seconds(10));
  EXPECT_EQ(container().restarts, 1);
  expect_whole();
}

TEST_F(RestartTest, a_look_in_the_middle_of_a_restart_changes_nothing) {
  for (int delay = 0; delay < 400; delay += 20) {
    create(request(RestartPolicy::on_failure, 2));
    kill(1);
    pass(milliseconds(delay));
    ASSERT_TRUE(run(agent_->reconcile()));
    ASSERT_TRUE(restarted(1, 1)) << delay;
    pass(std::chrono::seconds(5));
    EXPECT_EQ(container(1).restarts, 1) << delay;
    expect_whole();
    delete_and_expect_clean();
  }
}

TEST_F(RestartTest, a_delete_wins_at_any_moment) {
  for (int delay = 0; delay < 400; delay += 20) {
    create(request(RestartPolicy::on_failure, 2));
    kill(1);
    pass(milliseconds(delay));
    delete_and_expect_clean();
  }
  for (int delay = 0; delay < 500; delay += 25) {
    create(request(RestartPolicy::on_failure, 2));
    runtime_machine_->exit(sandbox().pod_key, 137);
    pass(milliseconds(delay));
    delete_and_expect_clean();
  }
}

TEST_F(RestartTest, a_full_disk_delays_it) {
  create(request(RestartPolicy::always));
  disk_->faults.full = true;
  kill();
  pass(std::chrono::minutes(1));
  EXPECT_EQ(phase("a"), Phase::running);
  disk_->faults.full = false;
  ASSERT_TRUE(run_until([&] { return container().phase == ContainerPhase::running; }));
  expect_whole();
  delete_and_expect_clean();
}

TEST_F(RestartTest, a_wall_clock_that_jumps_neither_hastens_nor_delays_anything) {
  for (const Duration jump : {Duration(std::chrono::hours(-48)), Duration(std::chrono::hours(48))}) {
    create(request(RestartPolicy::always));
    for (int i = 0; i < 5; ++i) {
      kill();
      ASSERT_TRUE(restarted(i + 1));
    }
    kill();
    ASSERT_TRUE(run_until([&] { return container().phase == ContainerPhase::creating; }));
    const MonoTime begin = clock_.mono_now();
    clock_.jump_wall(jump);
    ASSERT_TRUE(run(agent_->reconcile()));
    ASSERT_TRUE(restarted(6));
    EXPECT_GE(clock_.mono_now() - begin, milliseconds(3100)) << "the sixth pause is 3.2 s";
    EXPECT_LE(clock_.mono_now() - begin, milliseconds(3500));
    clock_.jump_wall(-jump);
    delete_and_expect_clean();
  }
}

}  // namespace
}  // namespace sandboxd::node
