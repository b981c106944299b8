// A runtime that goes away while a sandbox is being created delays the sandbox and does not end it.
#include "unit/node/node_fixture.hpp"

#include <gmock/gmock.h>

namespace sandboxd::node {
namespace {

using model::Phase;
using testing::HasSubstr;
using testing::StartsWith;

class AgentRetry : public NodeFixture {
 protected:
  AgentRetry() { start_agent(); }

  model::NodeCreateRequest pod_request() {
    auto request = simple_request("a", 2);
    request.ports = {{20000, 80, model::Protocol::tcp}};
    return request;
  }
  void expect_running_pod() {
    ASSERT_TRUE(settle("a"));
    EXPECT_EQ(phase("a"), Phase::running) << agent_->get(SandboxId("a"))->error;
    EXPECT_EQ(runtime_machine_->containers.size(), 3U);
    const auto record = agent_->get(SandboxId("a"));
    EXPECT_TRUE(network_machine_->is_open(record->slot, {20000, 80, model::Protocol::tcp}));
    EXPECT_EQ(record->ip, network_machine_->slots.at(record->slot).ip);
    for (const auto& container : record->containers)
      EXPECT_EQ(container.pid, runtime_machine_->containers.at(container.key).found.pid);
  }
  void expect_clean_delete() {
    ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
    expect_clean_machine();
  }
};

TEST_F(AgentRetry, an_accepted_sandbox_waits_for_the_runtime) {
  ASSERT_TRUE(run(agent_->create(pod_request())));
  runtime_machine_->down = true;
  pass(std::chrono::minutes(2));
  EXPECT_EQ(phase("a"), Phase::creating);
  runtime_machine_->down = false;
  pass(std::chrono::seconds(6));  // the longest pause and the creation
  EXPECT_EQ(phase("a"), Phase::running);
  expect_running_pod();
  expect_clean_delete();
}

TEST_F(AgentRetry, the_wait_is_bounded_and_ends_with_the_cause) {
  ASSERT_TRUE(run(agent_->create(pod_request())));
  runtime_machine_->down = true;
  const MonoTime begin = clock_.mono_now();
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  EXPECT_GE(clock_.mono_now() - begin, config_.provision_timeout - std::chrono::seconds(1));
  EXPECT_LE(clock_.mono_now() - begin, config_.provision_timeout + std::chrono::seconds(1));
  const std::string error = agent_->get(SandboxId("a"))->error;
  EXPECT_THAT(error, StartsWith("provisioning timeout: not done within 240000 ms: "));
  EXPECT_THAT(error, HasSubstr("containerd does not answer"));
  runtime_machine_->down = false;
  expect_clean_delete();
}

TEST_F(AgentRetry, a_delete_ends_the_wait) {
  ASSERT_TRUE(run(agent_->create(pod_request())));
  runtime_machine_->down = true;
  pass(std::chrono::seconds(10));
  const std::uint64_t created = runtime_machine_->created;
  ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
  EXPECT_EQ(phase("a"), Phase::deleting) << "what may be there cannot be removed yet";
  runtime_machine_->down = false;
  ASSERT_TRUE(run_until([&] { return !agent_->get(SandboxId("a")); }));
  EXPECT_EQ(runtime_machine_->created, created) << "nothing was made any more";
  expect_clean_machine();
}

TEST_F(AgentRetry, an_agent_that_ends_meanwhile_leaves_it_to_the_next) {
  ASSERT_TRUE(run(agent_->create(pod_request())));
  runtime_machine_->down = true;
  pass(std::chrono::seconds(10));
  stop_agent();
  runtime_machine_->down = false;
  start_agent();
  expect_running_pod();
  expect_clean_delete();
}

TEST_F(AgentRetry, a_probe_that_fails_later_is_told_without_the_old_obstacle) {
  auto request = pod_request();
  request.spec.readiness_probe = model::ReadinessProbe{.kind = model::ProbeKind::tcp, .port = 80};
  prober_.script({"refused", "refused", "refused"});
  runtime_machine_->fail("create", 1, Error(ErrorCode::unavailable, "gone away"));
  ASSERT_TRUE(run(agent_->create(request)));
  ASSERT_TRUE(settle("a"));
  EXPECT_THAT(agent_->get(SandboxId("a"))->error, StartsWith("sandbox a readiness probe failed"));
  EXPECT_THAT(agent_->get(SandboxId("a"))->error, testing::Not(HasSubstr("gone away")));
  expect_clean_delete();
}

TEST_F(AgentRetry, an_exit_of_the_try_before_does_not_count) {
  auto request = pod_request();
  request.spec.containers[0].command_kind = model::CommandKind::given;
  request.spec.containers[0].args = {"sh", "-c", "sleep 0.1; exit 3"};
  // Root and first container run, the second's start is lost; the first one ends in the pause that follows.
  runtime_machine_->fail("start", 3, Error(ErrorCode::unavailable, "gone away"));
  request.spec.readiness_probe = model::ReadinessProbe{.port = 80};
  ASSERT_TRUE(run(agent_->create(request)));
  ASSERT_TRUE(run_until([&] { return runtime_machine_->created == 6; })) << "made again";
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::running; }));
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  EXPECT_EQ(agent_->get(SandboxId("a"))->error, "container c0 exited with code 3");
  expect_clean_delete();
}

struct Lost {
  const char* method;
  int nth;
  bool leaks = false;  // the call was carried out, only its answer is lost
};
class AtEachLostCall : public AgentRetry, public testing::WithParamInterface<Lost> {};

TEST_P(AtEachLostCall, the_creation_begins_again_and_leaves_nothing_of_the_first_try) {
  const Error error(ErrorCode::unavailable, "gone away");
  runtime_machine_->fail(GetParam().method, GetParam().nth, error, GetParam().leaks);
  ASSERT_TRUE(run(agent_->create(pod_request())));
  expect_running_pod();
  expect_clean_delete();
}

INSTANTIATE_TEST_SUITE_P(Calls, AtEachLostCall,
                         testing::Values(Lost{"ensure_image", 1}, Lost{"ensure_image", 2}, Lost{"create", 1},
                                         Lost{"create", 1, true}, Lost{"create", 2, true}, Lost{"create", 3, true},
                                         Lost{"start", 1}, Lost{"start", 2}, Lost{"start", 3}),
                         [](const auto& param) {
                           return std::string(param.param.method) + std::to_string(param.param.nth) +
                                  (param.param.leaks ? "_leaks" : "");
                         });

TEST_F(AgentRetry, an_unavailable_log_holder_is_waited_for_too) {
  output_->fail("open", 1, Error(ErrorCode::unavailable, "log holder: connect: refused"));
  ASSERT_TRUE(run(agent_->create(pod_request())));
  expect_running_pod();
  expect_clean_delete();
}

}  // namespace
}  // namespace sandboxd::node
