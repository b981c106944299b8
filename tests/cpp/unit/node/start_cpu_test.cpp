// The raised CPU limit of a sandbox that starts.
#include "node/container_plan.hpp"
#include "node_fixture.hpp"

#include <cstdint>
#include <deque>
#include <string>

namespace sandboxd::node {
namespace {

class StartCpu : public NodeFixture {
 protected:
  // What the sandbox's only container may use now; -1: there is no such container.
  std::int64_t cpu() {
    const auto& containers = runtime_machine_->containers;
    return containers.size() == 1 ? containers.begin()->second.cpu_milli : -1;
  }
  model::NodeCreateRequest probed(const std::string& id) {
    auto request = simple_request(id);
    request.spec.readiness_probe = model::ReadinessProbe{.port = 80, .period_seconds = 1, .failure_threshold = 100};
    return request;
  }
  void create(model::NodeCreateRequest request) {
    const auto created = run(agent_->create(std::move(request)));
    ASSERT_TRUE(created) << created.error().message();
  }
};

TEST_F(StartCpu, is_raised_while_the_probe_waits_and_lowered_before_it_counts_as_running) {
  start_agent();
  prober_.script({"refused", "refused", ""});
  create(probed("a"));
  ASSERT_TRUE(run_until([&] { return prober_.probes() == 1; }));
  EXPECT_EQ(cpu(), 1000);
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(phase("a"), model::Phase::running);
  EXPECT_EQ(cpu(), 100);
}

TEST_F(StartCpu, is_not_had_for_longer_by_a_probe_that_fails) {
  config_.start_cpu_time = std::chrono::seconds(5);
  start_agent();
  prober_.script(std::deque<std::string>(20, "refused"));
  create(probed("a"));
  ASSERT_TRUE(run_until([&] { return prober_.probes() == 3; }));
  EXPECT_EQ(cpu(), 1000);
  ASSERT_TRUE(run_until([&] { return prober_.probes() == 9; }));
  EXPECT_EQ(phase("a"), model::Phase::creating);
  EXPECT_EQ(cpu(), 100);
}

TEST_F(StartCpu, is_lowered_by_the_next_agent_when_this_one_dies_in_between) {
  start_agent();
  prober_.script({"refused", "refused", "refused"});
  create(probed("a"));
  ASSERT_TRUE(run_until([&] { return prober_.probes() == 2; }));
  restart_agent();
  prober_.script({});
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(phase("a"), model::Phase::running);
  EXPECT_EQ(cpu(), 100);
}

TEST_F(StartCpu, is_not_raised_where_the_setting_says_never) {
  config_.start_cpu_milli = 0;
  start_agent();
  prober_.script({"refused", ""});
  create(probed("a"));
  ASSERT_TRUE(run_until([&] { return prober_.probes() == 1; }));
  EXPECT_EQ(cpu(), 100);
}

TEST(RaisedCpuOf, a_gvisor_pod_is_its_roots_and_of_a_runc_pod_its_members) {
  NodeConfig config;
  config.start_cpu_milli = 500;
  auto request = simple_request("a", 2);
  request.spec.containers[1].resources.limit_cpu_milli.value = 600;
  auto sandbox = plan_sandbox(config, request, {});
  EXPECT_TRUE(raised_cpu(config, sandbox).empty()) << "the pod has 700 together";
  config.start_cpu_milli = 1000;
  ASSERT_EQ(raised_cpu(config, sandbox).size(), 1U);
  EXPECT_EQ(raised_cpu(config, sandbox)[0].key, sandbox.pod_key);
  EXPECT_EQ(raised_cpu(config, sandbox)[0].limit_milli, 700);
  config.start_cpu_milli = 500;
  sandbox.spec.runtime = "runc";
  ASSERT_EQ(raised_cpu(config, sandbox).size(), 1U);
  EXPECT_EQ(raised_cpu(config, sandbox)[0].key, sandbox.containers[0].key);
  EXPECT_EQ(raised_cpu(config, sandbox)[0].limit_milli, 100);
}

}  // namespace
}  // namespace sandboxd::node
