// The agent is ended at every step of a create and of a delete, and every external call is made to fail: what a new
// agent finds converges, and nothing leaks.
#include "unit/node/node_fixture.hpp"

namespace sandboxd::node {
namespace {

using model::Phase;

constexpr std::string_view kCreateSteps[] = {
    step::kAccepted,         step::kSlotClaimed,      step::kOutputOpened, step::kImageReady, step::kPolicySet,
    step::kContainerCreated, step::kContainerStarted, step::kProbePassed,  step::kPublished,  step::kRunning};
constexpr std::string_view kDeleteSteps[] = {step::kDeleteMarked,  step::kUnpublished,   step::kContainersRemoved,
                                             step::kSlotDestroyed, step::kOutputRemoved, step::kErased};

model::NodeCreateRequest pod_request() {
  auto request = simple_request("a", 2);
  request.ports = {{20000, 80, model::Protocol::tcp}};
  return request;
}

class AtEachCreateStep : public NodeFixture, public testing::WithParamInterface<std::string_view> {};

TEST_P(AtEachCreateStep, a_crash_converges_to_running_and_deletes_cleanly) {
  start_agent();
  steps_.kill_at = GetParam();
  const auto request = pod_request();
  bool answered = false;
  boost::asio::co_spawn(context_, agent_->create(request), [&](std::exception_ptr, auto) { answered = true; });
  ASSERT_TRUE(run_until([&] { return steps_.dead; }));
  restart_agent();
  ASSERT_TRUE(agent_->get(SandboxId("a"))) << "the record was durable";
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(phase("a"), Phase::running) << agent_->get(SandboxId("a"))->error;
  EXPECT_EQ(runtime_machine_->containers.size(), 3U);
  EXPECT_TRUE(run(agent_->create(request))) << "the same create again is no error";
  ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
  expect_clean_machine();
}

TEST_P(AtEachCreateStep, a_delete_cancels_and_leaves_nothing) {
  start_agent();
  boost::asio::co_spawn(context_, agent_->create(pod_request()), [](std::exception_ptr, auto) {});
  const auto passed = [&] {
    return std::find(steps_.steps.begin(), steps_.steps.end(), GetParam()) != steps_.steps.end();
  };
  ASSERT_TRUE(run_until(passed));
  ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
  EXPECT_FALSE(agent_->get(SandboxId("a")));
  expect_clean_machine();
}

INSTANTIATE_TEST_SUITE_P(Steps, AtEachCreateStep, testing::ValuesIn(kCreateSteps));

class AtEachDeleteStep : public NodeFixture, public testing::WithParamInterface<std::string_view> {};

TEST_P(AtEachDeleteStep, a_crash_is_resumed_to_the_end) {
  start_agent();
  ASSERT_TRUE(run(agent_->create(pod_request())));
  ASSERT_TRUE(settle("a"));
  steps_.kill_at = GetParam();
  boost::asio::co_spawn(context_, agent_->remove(SandboxId("a"), ""), [](std::exception_ptr, auto) {});
  ASSERT_TRUE(run_until([&] { return steps_.dead; }));
  restart_agent();
  ASSERT_TRUE(run_until([&] { return !agent_->get(SandboxId("a")); }));
  expect_clean_machine();
}

INSTANTIATE_TEST_SUITE_P(Steps, AtEachDeleteStep, testing::ValuesIn(kDeleteSteps));

struct Fault {
  const char* part;
  const char* method;
};
class WithEachFault : public NodeFixture, public testing::WithParamInterface<Fault> {
 protected:
  void plan(const Fault& fault) {
    const Error error(ErrorCode::runtime_failed, "planned");
    if (std::string(fault.part) == "runtime") runtime_machine_->fail(fault.method, 1, error);
    if (std::string(fault.part) == "network") network_->fail(fault.method, 1, error);
    if (std::string(fault.part) == "output") output_->fail(fault.method, 1, error);
  }
};

TEST_P(WithEachFault, the_sandbox_fails_with_the_cause_and_everything_is_freed) {
  config_.slot_pool_size = 0;  // so that the create itself makes its slot
  start_agent();
  plan(GetParam());
  ASSERT_TRUE(run(agent_->create(pod_request())));
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(phase("a"), Phase::failed);
  EXPECT_NE(agent_->get(SandboxId("a"))->error.find("planned"), std::string::npos);
  pass(std::chrono::minutes(1));
  EXPECT_TRUE(runtime_machine_->containers.empty());
  EXPECT_TRUE(network_machine_->slots.empty());
  EXPECT_EQ(agent_->report().resources.used_cpu_milli, 0);
  ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
  expect_clean_machine();
}

INSTANTIATE_TEST_SUITE_P(Faults, WithEachFault,
                         testing::Values(Fault{"runtime", "ensure_image"}, Fault{"runtime", "create"},
                                         Fault{"runtime", "start"}, Fault{"network", "make_slot"},
                                         Fault{"network", "set_egress"}, Fault{"network", "publish"},
                                         Fault{"output", "open"}));

class WithEachCleanupFault : public WithEachFault {};

TEST_P(WithEachCleanupFault, a_delete_is_repeated_until_it_succeeds) {
  start_agent();
  ASSERT_TRUE(run(agent_->create(pod_request())));
  ASSERT_TRUE(settle("a"));
  plan(GetParam());
  ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
  ASSERT_TRUE(run_until([&] { return !agent_->get(SandboxId("a")); }));
  expect_clean_machine();
}

INSTANTIATE_TEST_SUITE_P(Faults, WithEachCleanupFault,
                         testing::Values(Fault{"runtime", "remove"}, Fault{"network", "destroy_slot"},
                                         Fault{"network", "unpublish"}, Fault{"output", "remove"}));

}  // namespace
}  // namespace sandboxd::node
