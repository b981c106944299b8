// The agent is ended at every step of a restart, and the machine loses things while it is away: a new agent converges.
#include "unit/node/restart_fixture.hpp"

namespace sandboxd::node {
namespace {

using model::Phase;
using model::RestartPolicy;

constexpr std::string_view kSteps[] = {step::kRestartPending,   step::kRestartCleared,   step::kRestartPlanned,
                                       step::kContainerCreated, step::kContainerStarted, step::kRestarted};
constexpr std::string_view kRemakeSteps[] = {step::kRestartCleared,   step::kRestartPlanned,   step::kSlotClaimed,
                                             step::kOutputOpened,     step::kImageReady,       step::kPolicySet,
                                             step::kContainerCreated, step::kContainerStarted, step::kRestarted};

class AtEachRestartStep : public RestartFixture, public testing::WithParamInterface<std::string_view> {
 protected:
  void crash_after(const std::function<void()>& loss) {
    steps_.kill_at = GetParam();
    loss();
    ASSERT_TRUE(run_until([&] { return steps_.dead; }));
    restart_agent();
    EXPECT_EQ(phase("a"), Phase::running);
  }
  bool all_run() {
    return run_until([&] {
      const auto& all = sandbox().containers;
      return phase("a") != Phase::running || std::all_of(all.begin(), all.end(), [](const auto& one) {
               return one.phase == model::ContainerPhase::running;
             });
    });
  }
};

TEST_P(AtEachRestartStep, a_crash_converges_for_a_lone_container) {
  start_agent();
  create(request(RestartPolicy::on_failure));
  crash_after([&] { kill(); });
  ASSERT_TRUE(all_run());
  EXPECT_GE(container().restarts, 1);
  EXPECT_LE(container().restarts, 2);
  pass(std::chrono::seconds(5));
  expect_whole();
  delete_and_expect_clean();
}

TEST_P(AtEachRestartStep, a_crash_converges_for_one_of_several) {
  start_agent();
  create(request(RestartPolicy::always, 2));
  crash_after([&] { kill(1); });
  ASSERT_TRUE(all_run());
  EXPECT_EQ(container(0).restarts, 0) << "the other one went on";
  pass(std::chrono::seconds(5));
  expect_whole();
  delete_and_expect_clean();
}

TEST_P(AtEachRestartStep, a_delete_after_a_crash_leaves_nothing) {
  start_agent();
  create(request(RestartPolicy::always, 2));
  crash_after([&] { kill(1); });
  delete_and_expect_clean();
}

INSTANTIATE_TEST_SUITE_P(Steps, AtEachRestartStep, testing::ValuesIn(kSteps));

class AtEachRemakeStep : public AtEachRestartStep {};

TEST_P(AtEachRemakeStep, a_crash_converges) {
  start_agent();
  create(request(RestartPolicy::on_failure, 2));
  crash_after([&] { runtime_machine_->exit(sandbox().pod_key, 137); });
  ASSERT_TRUE(all_run());
  pass(std::chrono::seconds(40));
  expect_whole();
  delete_and_expect_clean();
}

INSTANTIATE_TEST_SUITE_P(Steps, AtEachRemakeStep, testing::ValuesIn(kRemakeSteps));

class WhileAwayTest : public RestartFixture {
 protected:
  void create_and_stop(RestartPolicy policy) {
    start_agent();
    create(request(policy, 2));
    stop_agent();
  }
};

TEST_F(WhileAwayTest, what_failed_meanwhile_is_started_again) {
  create_and_stop(RestartPolicy::on_failure);
  const std::string key = runtime_machine_->containers.begin()->first;
  runtime_machine_->exit(key, 1);
  start_agent();
  ASSERT_TRUE(restarted(1, 0));
  expect_whole();
}

TEST_F(WhileAwayTest, what_succeeded_meanwhile_ends_the_sandbox) {
  create_and_stop(RestartPolicy::on_failure);
  runtime_machine_->exit(runtime_machine_->containers.begin()->first, 0);
  start_agent();
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::stopped; }));
  delete_and_expect_clean();
}

TEST_F(WhileAwayTest, a_reboot_of_the_host_is_followed_by_a_whole_new_sandbox) {
  create_and_stop(RestartPolicy::always);
  runtime_machine_->containers.clear();
  *network_machine_ = {};
  start_agent();
  ASSERT_TRUE(restarted(1, 1));
  pass(std::chrono::seconds(5));
  expect_whole();
  delete_and_expect_clean();
}

TEST_F(WhileAwayTest, a_reboot_of_the_host_ends_it_without_a_policy) {
  create_and_stop(RestartPolicy::never);
  runtime_machine_->containers.clear();
  *network_machine_ = {};
  start_agent();
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  delete_and_expect_clean();
}

}  // namespace
}  // namespace sandboxd::node
