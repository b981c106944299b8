// Pausing, resuming, stopping and starting again, on one simulated node.
#include "unit/node/node_fixture.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace sandboxd::node {
namespace {

using model::Desired;
using model::Phase;
using Found = ports::FoundContainer::Task;

class LifeTest : public NodeFixture {
 protected:
  model::NodeCreateRequest request(int containers = 1) {
    auto made = simple_request("a", containers);
    made.ports.push_back({20001, 8000, model::Protocol::tcp});
    return made;
  }
  void create(model::NodeCreateRequest made) {
    const auto accepted = run(agent_->create(std::move(made)));
    ASSERT_TRUE(accepted) << accepted.error().message();
    ASSERT_TRUE(settle("a"));
    ASSERT_EQ(phase("a"), Phase::running);
  }
  model::NodeSandbox sandbox() { return *agent_->get(SandboxId("a")); }
  Result<model::NodeSandbox> pause() { return run(agent_->pause(SandboxId("a"), {})); }
  Result<model::NodeSandbox> resume() { return run(agent_->resume(SandboxId("a"), {})); }
  Result<model::NodeSandbox> stop(std::optional<Duration> grace = std::nullopt) {
    return run(agent_->stop(SandboxId("a"), {"", Until::gone, grace, 0}));
  }
  Result<model::NodeSandbox> start() { return run(agent_->start(SandboxId("a"), {})); }
  std::string reason(const Result<model::NodeSandbox>& refused) {
    if (refused || refused.error().code() != ErrorCode::conflict || refused.error().reasons().empty()) return "none";
    return refused.error().reasons().front();
  }
  Found task(std::size_t index = 0) {
    return runtime_machine_->containers.at(sandbox().containers.at(index).key).found.task;
  }
  // Numbers that stand for the containers' files.
  std::set<std::uint64_t> disks() {
    std::set<std::uint64_t> all;
    for (const auto& [key, container] : runtime_machine_->containers) all.insert(container.disk);
    return all;
  }
  void start_again() {
    const auto started = start();
    ASSERT_TRUE(started) << started.error().message();
    ASSERT_TRUE(settle("a"));
    ASSERT_EQ(phase("a"), Phase::running) << sandbox().error;
  }
  void delete_and_expect_clean() {
    EXPECT_TRUE(run(agent_->remove(SandboxId("a"), "")));
    EXPECT_TRUE(run_until([&] { return !agent_->get(SandboxId("a")); }));
    expect_clean_machine();
  }
};

TEST_F(LifeTest, a_paused_sandbox_stands_still_and_goes_on) {
  start_agent();
  create(request(2));
  const auto paused = pause();
  ASSERT_TRUE(paused) << paused.error().message();
  EXPECT_EQ(paused->phase, Phase::paused);
  EXPECT_EQ(reason(pause()), "already_paused");
  EXPECT_EQ(reason(start()), "already_running");
  const auto resumed = resume();
  ASSERT_TRUE(resumed);
  EXPECT_EQ(resumed->phase, Phase::running);
  EXPECT_EQ(task(0), Found::running);
  EXPECT_EQ(task(1), Found::running);
  EXPECT_EQ(reason(resume()), "not_paused");
  delete_and_expect_clean();
}

TEST_F(LifeTest, in_a_pod_the_handler_says_who_is_paused) {
  start_agent();
  auto made = request(2);
  made.spec.runtime = "runsc";
  create(made);
  ASSERT_TRUE(pause());
  EXPECT_EQ(task(0), Found::running);
  EXPECT_EQ(runtime_machine_->containers.at(sandbox().pod_key).found.task, Found::paused);
  delete_and_expect_clean();
  made.spec.runtime = "runc";
  made.uid[5] = 'b';
  create(made);
  ASSERT_TRUE(pause());
  EXPECT_EQ(task(0), Found::paused);
  EXPECT_EQ(task(1), Found::paused);
  delete_and_expect_clean();
}

TEST_F(LifeTest, a_stopped_sandbox_keeps_its_files_and_gives_back_the_rest) {
  start_agent();
  create(request(2));
  const auto before = disks();
  const auto life = sandbox().started_at;
  const auto stopped = stop();
  ASSERT_TRUE(stopped) << stopped.error().message();
  EXPECT_EQ(stopped->phase, Phase::stopped);
  EXPECT_EQ(stopped->desired, Desired::stopped);
  EXPECT_TRUE(stopped->ended_at);
  EXPECT_EQ(stopped->containers[0].exit_code, 143);
  EXPECT_TRUE(stopped->ip.empty());
  EXPECT_EQ(task(), Found::none);
  EXPECT_EQ(agent_->report().resources.used_cpu_milli, 0);
  EXPECT_TRUE(network_machine_->owners.empty());
  EXPECT_EQ(reason(stop()), "already_stopped");
  EXPECT_EQ(reason(pause()), "not_running");
  EXPECT_EQ(reason(resume()), "not_paused");
  // Neither time nor another look at the machine takes them away.
  pass(std::chrono::minutes(5));
  EXPECT_TRUE(run(agent_->reconcile()));
  start_again();
  EXPECT_EQ(disks(), before);
  EXPECT_FALSE(sandbox().ended_at);
  EXPECT_GT(sandbox().started_at->ns, life->ns);
  EXPECT_EQ(network_machine_->owners.size(), 1U);
  EXPECT_EQ(agent_->report().resources.used_cpu_milli, 200);
  pass(std::chrono::minutes(1));
  EXPECT_EQ(phase("a"), Phase::running) << "late news of its last life changes nothing";
  delete_and_expect_clean();
}

TEST_F(LifeTest, who_does_not_listen_is_killed_after_the_grace) {
  start_agent();
  auto made = request();
  made.spec.containers[0].command_kind = model::CommandKind::given;
  made.spec.containers[0].args = {"stubborn"};
  create(made);
  const MonoTime before = clock_.mono_now();
  const auto stopped = stop(std::chrono::seconds(7));
  ASSERT_TRUE(stopped);
  EXPECT_GE(clock_.mono_now() - before, std::chrono::seconds(7));
  EXPECT_LT(clock_.mono_now() - before, std::chrono::seconds(9));
  EXPECT_EQ(stopped->containers[0].exit_code, 137);
  delete_and_expect_clean();
}

TEST_F(LifeTest, a_restart_policy_does_not_fight_a_stop) {
  start_agent();
  auto made = request(2);
  made.spec.restart_policy = model::RestartPolicy::always;
  create(made);
  ASSERT_TRUE(stop());
  pass(std::chrono::minutes(10));
  EXPECT_EQ(phase("a"), Phase::stopped);
  start_again();
  delete_and_expect_clean();
}

TEST_F(LifeTest, a_paused_sandbox_can_be_stopped_deleted_and_may_die) {
  start_agent();
  create(request());
  ASSERT_TRUE(pause());
  ASSERT_TRUE(stop());
  start_again();
  ASSERT_TRUE(pause());
  runtime_machine_->exit(sandbox().containers[0].key, 137);
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  delete_and_expect_clean();
}

TEST_F(LifeTest, one_that_ended_by_itself_starts_again_only_where_its_files_are_kept) {
  start_agent();
  create(request());
  runtime_machine_->exit(sandbox().containers[0].key, 0);
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::stopped; }));
  EXPECT_EQ(reason(start()), "files_gone");
  delete_and_expect_clean();
  auto made = request();
  made.uid[5] = 'b';
  made.spec.on_expiry = model::OnExpiry::stop;
  create(made);
  const auto before = disks();
  runtime_machine_->exit(sandbox().containers[0].key, 3);
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  EXPECT_EQ(reason(stop()), "already_stopped");
  start_again();
  EXPECT_EQ(disks(), before);
  delete_and_expect_clean();
}

TEST_F(LifeTest, a_start_needs_room_and_its_ports) {
  config_.max_alloc_percent = 4;  // 160m of 4 CPUs
  start_agent();
  create(request());
  ASSERT_TRUE(stop());
  auto other = simple_request("b");
  other.ports.push_back({20001, 8000, model::Protocol::tcp});
  ASSERT_TRUE(run(agent_->create(other)));
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
  EXPECT_EQ(phase("a"), Phase::stopped);
  ASSERT_TRUE(run(agent_->remove(SandboxId("b"), "")));
  start_again();
  delete_and_expect_clean();
}

TEST_F(LifeTest, a_start_that_fails_keeps_the_files) {
  start_agent();
  create(request());
  const auto before = disks();
  ASSERT_TRUE(stop());
  runtime_machine_->fail("start", 1, Error(ErrorCode::runtime_failed, "no"));
  ASSERT_TRUE(start());
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  pass(std::chrono::minutes(1));
  start_again();
  EXPECT_EQ(disks(), before);
  delete_and_expect_clean();
}

TEST_F(LifeTest, one_that_cannot_be_paused_goes_on) {
  start_agent();
  create(request());
  runtime_machine_->fail("pause", 1, Error(ErrorCode::runtime_failed, "no freezer"));
  const auto refused = pause();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("no freezer"), std::string::npos);
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(task(), Found::running);
  ASSERT_TRUE(pause());
  delete_and_expect_clean();
}

TEST_F(LifeTest, a_stop_while_it_is_made_and_another_start) {
  start_agent();
  ASSERT_TRUE(run(agent_->create(request(2))));
  ASSERT_TRUE(stop());
  EXPECT_EQ(phase("a"), Phase::stopped);
  start_again();
  delete_and_expect_clean();
}

class Wishes : public LifeTest {
 protected:
  LifeAsk ordered(std::int64_t order) { return {"", Until::gone, std::nullopt, order}; }
  Result<model::NodeSandbox> pause_as(std::int64_t order) { return run(agent_->pause(SandboxId("a"), ordered(order))); }
  Result<model::NodeSandbox> resume_as(std::int64_t order) {
    return run(agent_->resume(SandboxId("a"), ordered(order)));
  }
};

TEST_F(Wishes, a_late_one_changes_nothing_over_a_restart_of_the_agent) {
  start_agent();
  create(request());
  ASSERT_TRUE(pause_as(5));
  ASSERT_TRUE(resume_as(7));
  restart_agent();
  EXPECT_EQ(reason(pause_as(6)), "outdated");
  EXPECT_EQ(phase("a"), Phase::running);
  ASSERT_TRUE(pause_as(8));
  EXPECT_TRUE(agent_->status(SandboxId("a"))->order == 8);
  delete_and_expect_clean();
}

TEST_F(Wishes, one_that_was_refused_makes_earlier_ones_late_too) {
  start_agent();
  create(request());
  ASSERT_TRUE(pause_as(5));
  EXPECT_EQ(reason(pause_as(7)), "already_paused");
  restart_agent();
  EXPECT_EQ(reason(resume_as(6)), "outdated");
  EXPECT_EQ(phase("a"), Phase::paused);
  delete_and_expect_clean();
}

TEST_F(Wishes, one_of_the_nodes_own_is_later_than_what_came_before_it) {
  start_agent();
  create(request());
  ASSERT_TRUE(pause_as(5));
  ASSERT_TRUE(resume());
  EXPECT_TRUE(agent_->status(SandboxId("a"))->own_wish);
  restart_agent();
  EXPECT_EQ(reason(pause_as(5)), "outdated") << "repeated";
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(reason(resume()), "not_paused");
  ASSERT_TRUE(pause_as(6));
  EXPECT_FALSE(agent_->status(SandboxId("a"))->own_wish);
  EXPECT_EQ(reason(pause()), "already_paused");
  ASSERT_FALSE(pause_as(6)) << "the same again is no late one:";
  EXPECT_EQ(reason(pause_as(6)), "already_paused");
  delete_and_expect_clean();
}

// What the agent does when it ends at any step, and starts again.
class AtEachLifeStep : public LifeTest, public testing::WithParamInterface<std::tuple<std::string_view, int>> {
 protected:
  void die_in(Task<Result<model::NodeSandbox>> verb) {
    steps_.kill_at = std::get<0>(GetParam());
    boost::asio::co_spawn(context_, std::move(verb), [](std::exception_ptr, const auto&) {});
    ASSERT_TRUE(run_until([&] { return steps_.dead; }));
    restart_agent();
  }
  int count() { return std::get<1>(GetParam()); }
};

class AtEachPauseStep : public AtEachLifeStep {};
TEST_P(AtEachPauseStep, a_pause_comes_true) {
  start_agent();
  create(request(count()));
  die_in(agent_->pause(SandboxId("a"), {}));
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::paused; }));
  ASSERT_TRUE(resume());
  delete_and_expect_clean();
}
INSTANTIATE_TEST_SUITE_P(Steps, AtEachPauseStep,
                         testing::Combine(testing::Values(step::kPauseMarked, step::kPauseDone, step::kPaused),
                                          testing::Values(1, 2)));

class AtEachResumeStep : public AtEachLifeStep {};
TEST_P(AtEachResumeStep, a_resume_comes_true) {
  start_agent();
  create(request(count()));
  ASSERT_TRUE(pause());
  die_in(agent_->resume(SandboxId("a"), {}));
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::running; }));
  EXPECT_EQ(task(), Found::running);
  delete_and_expect_clean();
}
INSTANTIATE_TEST_SUITE_P(Steps, AtEachResumeStep,
                         testing::Combine(testing::Values(step::kResumeMarked, step::kResumeDone, step::kResumed),
                                          testing::Values(1, 2)));

class AtEachStopStep : public AtEachLifeStep {};
TEST_P(AtEachStopStep, a_stop_comes_true_and_the_files_stay) {
  start_agent();
  create(request(count()));
  const auto before = disks();
  die_in(agent_->stop(SandboxId("a"), {}));
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::stopped; }));
  pass(std::chrono::minutes(1));
  EXPECT_EQ(agent_->report().resources.used_cpu_milli, 0);
  EXPECT_TRUE(network_machine_->owners.empty());
  start_again();
  EXPECT_EQ(disks(), before);
  delete_and_expect_clean();
}
TEST_P(AtEachStopStep, a_delete_after_it_leaves_nothing) {
  start_agent();
  create(request(count()));
  die_in(agent_->stop(SandboxId("a"), {}));
  delete_and_expect_clean();
}
INSTANTIATE_TEST_SUITE_P(Steps, AtEachStopStep,
                         testing::Combine(testing::Values(step::kStopMarked, step::kStopAsked, step::kUnpublished,
                                                          step::kContainersRemoved, step::kSlotDestroyed,
                                                          step::kStopped),
                                          testing::Values(1, 2)));

class AtEachStartStep : public AtEachLifeStep {};
TEST_P(AtEachStartStep, a_start_comes_true_on_the_same_files) {
  start_agent();
  create(request(count()));
  const auto before = disks();
  ASSERT_TRUE(stop());
  die_in([](Agent& agent) -> Task<Result<model::NodeSandbox>> {
    co_return co_await agent.start(SandboxId("a"), {});
  }(*agent_));
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(phase("a"), Phase::running) << sandbox().error;
  EXPECT_EQ(disks(), before);
  EXPECT_EQ(network_machine_->owners.size(), 1U);
  delete_and_expect_clean();
}
TEST_P(AtEachStartStep, a_delete_after_it_leaves_nothing) {
  start_agent();
  create(request(count()));
  ASSERT_TRUE(stop());
  die_in([](Agent& agent) -> Task<Result<model::NodeSandbox>> {
    co_return co_await agent.start(SandboxId("a"), {});
  }(*agent_));
  delete_and_expect_clean();
}
INSTANTIATE_TEST_SUITE_P(Steps, AtEachStartStep,
                         testing::Combine(testing::Values(step::kStartMarked, step::kSlotClaimed, step::kOutputOpened,
                                                          step::kImageReady, step::kPolicySet, step::kContainerCreated,
                                                          step::kContainerStarted, step::kPublished, step::kRunning),
                                          testing::Values(1, 2)));

}  // namespace
}  // namespace sandboxd::node
