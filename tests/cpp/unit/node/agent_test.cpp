#include "unit/node/node_fixture.hpp"

#include <gmock/gmock.h>

namespace sandboxd::node {
namespace {

using model::Phase;
using testing::HasSubstr;

class AgentTest : public NodeFixture {
 protected:
  AgentTest() { start_agent(); }
  Result<model::NodeSandbox> create(model::NodeCreateRequest request) {
    return run(agent_->create(std::move(request)));
  }
  Result<void> remove(const std::string& id, const std::string& uid = "") {
    return run(agent_->remove(SandboxId(id), uid));
  }
  std::string error_of(const std::string& id) { return agent_->get(SandboxId(id))->error; }
};

TEST_F(AgentTest, a_create_is_acknowledged_as_creating_and_becomes_running) {
  auto request = simple_request("a");
  request.ports = {{20000, 80, model::Protocol::tcp}};
  const auto created = create(request);
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_EQ(created->phase, Phase::creating);
  ASSERT_TRUE(settle("a"));
  const auto running = agent_->get(SandboxId("a"));
  EXPECT_EQ(running->phase, Phase::running) << running->error;
  EXPECT_FALSE(running->ip.empty());
  EXPECT_GT(running->containers[0].pid, 0U);
  EXPECT_EQ(running->containers[0].image, "docker.io/library/busybox:latest");
  EXPECT_TRUE(network_machine_->is_open(running->slot, {20000, 80, model::Protocol::tcp}));
  EXPECT_EQ(runtime_machine_->containers.size(), 1U);  // no pause for one container
}

TEST_F(AgentTest, several_containers_share_a_pod) {
  ASSERT_TRUE(create(simple_request("a", 3)));
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(phase("a"), Phase::running) << error_of("a");
  EXPECT_EQ(runtime_machine_->containers.size(), 4U);
}

TEST_F(AgentTest, policy_is_in_force_before_the_first_process_starts) {
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  const auto at = [&](std::string_view step) { return std::find(steps_.steps.begin(), steps_.steps.end(), step); };
  EXPECT_LT(at(step::kPolicySet), at(step::kContainerStarted));
  EXPECT_LT(at(step::kContainerStarted), at(step::kPublished));
}

TEST_F(AgentTest, the_same_create_twice_is_one_sandbox) {
  const auto request = simple_request("a");
  ASSERT_TRUE(create(request));
  ASSERT_TRUE(create(request));
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(runtime_machine_->created, 1U);
}

TEST_F(AgentTest, a_clean_up_step_that_throws_is_repeated_like_one_that_fails) {
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  runtime_machine_->throwing_removes = 3;
  EXPECT_TRUE(remove("a"));
  expect_clean_machine();
}

TEST_F(AgentTest, another_life_of_the_id_is_refused) {
  ASSERT_TRUE(create(simple_request("a")));
  auto other = simple_request("a");
  other.uid = std::string(32, 'f');
  EXPECT_EQ(create(other).error(), Error(ErrorCode::already_exists, "sandbox already exists: a"));
}

TEST_F(AgentTest, a_deleted_life_does_not_come_back) {
  const auto request = simple_request("a");
  ASSERT_TRUE(create(request));
  ASSERT_TRUE(remove("a", request.uid));
  EXPECT_EQ(create(request).error().code(), ErrorCode::conflict);
  restart_agent();
  EXPECT_EQ(create(request).error().code(), ErrorCode::conflict);
}

TEST_F(AgentTest, a_delete_that_overtakes_its_create_wins) {
  const auto request = simple_request("a");
  ASSERT_TRUE(remove("a", request.uid));
  EXPECT_EQ(create(request).error().code(), ErrorCode::conflict);
}

TEST_F(AgentTest, deleting_another_life_changes_nothing) {
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  ASSERT_TRUE(remove("a", std::string(32, 'f')));
  EXPECT_EQ(phase("a"), Phase::running);
}

TEST_F(AgentTest, delete_leaves_nothing_behind_and_is_idempotent) {
  ASSERT_TRUE(create(simple_request("a", 2)));
  ASSERT_TRUE(settle("a"));
  ASSERT_TRUE(remove("a"));
  EXPECT_FALSE(agent_->get(SandboxId("a")));
  ASSERT_TRUE(remove("a"));
  expect_clean_machine();
}

TEST_F(AgentTest, admission_speaks_the_originals_words) {
  auto big = simple_request("a");
  big.spec.containers[0].resources.request_cpu_milli = 4000;
  EXPECT_EQ(create(big).error().message(),
            "insufficient cpu allocatable: requested=4000m used=0m limit=3600m (90% of host)");
  auto first = simple_request("b");
  first.ports = {{20000, 80, model::Protocol::tcp}};
  ASSERT_TRUE(create(first));
  auto second = simple_request("c");
  second.ports = first.ports;
  EXPECT_EQ(create(second).error().message(), "host port already in use: 20000/tcp (sandbox b)");
}

TEST_F(AgentTest, a_port_of_another_program_is_refused_and_leaves_nothing) {
  network_machine_->foreign_ports.insert({20000, model::Protocol::tcp});
  auto request = simple_request("a");
  request.ports = {{20000, 80, model::Protocol::tcp}};
  EXPECT_THAT(create(request).error().message(), HasSubstr("host port already in use: 20000/tcp"));
  EXPECT_FALSE(agent_->get(SandboxId("a")));
  expect_clean_machine();
}

TEST_F(AgentTest, a_full_disk_refuses_creates_and_breaks_nothing_else) {
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  disk_->faults.full = true;
  EXPECT_EQ(create(simple_request("b")).error().code(), ErrorCode::storage_failed);
  EXPECT_EQ(phase("a"), Phase::running);
  disk_->faults.full = false;
  EXPECT_TRUE(create(simple_request("b")));
}

TEST_F(AgentTest, an_end_counts_once_the_disk_has_it_and_a_restart_before_finds_it_again) {
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  disk_->faults.full = true;
  runtime_machine_->exit(agent_->get(SandboxId("a"))->containers[0].key, 7);
  pass(std::chrono::minutes(1));
  EXPECT_EQ(phase("a"), Phase::running);
  EXPECT_EQ(runtime_machine_->containers.size(), 1U) << "it still knows how it ended";
  restart_agent();
  disk_->faults.full = false;
  pass(std::chrono::minutes(1));
  EXPECT_EQ(phase("a"), Phase::failed);
  EXPECT_NE(agent_->get(SandboxId("a"))->error.find("exited with code 7"), std::string::npos);
  EXPECT_TRUE(runtime_machine_->containers.empty());
}

TEST_F(AgentTest, a_slot_that_comes_back_after_it_was_replaced_is_let_go) {
  pass(std::chrono::minutes(1));
  disk_->faults.delay = std::chrono::milliseconds(100);  // long enough for the pool to fill up again
  disk_->faults.fail_nth_sync = 1;
  EXPECT_EQ(create(simple_request("a")).error().code(), ErrorCode::storage_failed);
  ASSERT_TRUE(run(agent_->reconcile()));
  EXPECT_EQ(network_machine_->slots.size(), static_cast<std::size_t>(config_.slot_pool_size));
}

TEST_F(AgentTest, a_missing_image_fails_with_its_reference_and_frees_everything) {
  runtime_machine_->missing_images.insert("busybox");
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(phase("a"), Phase::failed);
  EXPECT_THAT(error_of("a"), HasSubstr("pull image \"docker.io/library/busybox:latest\""));
  pass(std::chrono::minutes(1));
  EXPECT_EQ(agent_->report().resources.used_cpu_milli, 0);
  ASSERT_TRUE(remove("a"));
  expect_clean_machine();
}

TEST_F(AgentTest, a_probe_that_never_succeeds_fails_the_sandbox_with_the_cause) {
  auto request = simple_request("a");
  request.spec.readiness_probe = model::ReadinessProbe{.kind = model::ProbeKind::tcp, .port = 80};
  prober_.script({"refused", "refused", "refused"});
  ASSERT_TRUE(create(request));
  ASSERT_TRUE(settle("a"));
  EXPECT_THAT(error_of("a"), HasSubstr("sandbox a readiness probe failed: protocol=tcp target=10.89."));
  EXPECT_THAT(error_of("a"), HasSubstr("failed 3 times (timeout=1s): refused"));
}

TEST_F(AgentTest, ports_open_only_after_the_probe_has_passed) {
  auto request = simple_request("a");
  request.ports = {{20000, 80, model::Protocol::tcp}};
  request.spec.readiness_probe = model::ReadinessProbe{.port = 80};
  prober_.script({"refused", "refused", ""});
  ASSERT_TRUE(create(request));
  ASSERT_TRUE(run_until([&] { return prober_.probes() == 2; }));
  EXPECT_TRUE(network_machine_->owners.empty());
  ASSERT_TRUE(settle("a"));
  EXPECT_EQ(phase("a"), Phase::running) << error_of("a");
  EXPECT_FALSE(network_machine_->owners.empty());
}

TEST_F(AgentTest, a_short_job_ends_stopped_with_its_exit_code) {
  auto request = simple_request("a");
  request.spec.containers[0].command_kind = model::CommandKind::given;
  request.spec.containers[0].args = {"sleep", "5"};
  ASSERT_TRUE(create(request));
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::stopped; }));
  pass(std::chrono::seconds(10));
  EXPECT_EQ(agent_->get(SandboxId("a"))->containers[0].exit_code, 0);
  EXPECT_TRUE(runtime_machine_->containers.empty());
  EXPECT_EQ(agent_->report().resources.used_cpu_milli, 0);
}

TEST_F(AgentTest, a_container_that_fails_names_its_code) {
  auto request = simple_request("a");
  request.spec.containers[0].command_kind = model::CommandKind::given;
  request.spec.containers[0].args = {"sh", "-c", "sleep 5; exit 3"};
  ASSERT_TRUE(create(request));
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  EXPECT_EQ(error_of("a"), "container c0 exited with code 3");
}

TEST_F(AgentTest, running_out_of_memory_is_named) {
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  runtime_machine_->out_of_memory(agent_->get(SandboxId("a"))->containers[0].key);
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  pass(std::chrono::seconds(10));
  EXPECT_THAT(error_of("a"), HasSubstr("out of memory (limit 64Mi)"));
}

TEST_F(AgentTest, while_the_runtime_is_down_creates_are_refused_and_records_served) {
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  runtime_machine_->down = true;
  EXPECT_FALSE(run(agent_->reconcile()));
  EXPECT_EQ(create(simple_request("b")).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(phase("a"), Phase::running);
  runtime_machine_->down = false;
  EXPECT_TRUE(run(agent_->reconcile()));
  EXPECT_TRUE(create(simple_request("b")));
}

TEST_F(AgentTest, an_exit_while_events_were_cut_is_found) {
  ASSERT_TRUE(create(simple_request("a")));
  ASSERT_TRUE(settle("a"));
  const std::string key = agent_->get(SandboxId("a"))->containers[0].key;
  stop_agent();
  runtime_machine_->exit(key, 7);
  pass(std::chrono::seconds(1));
  start_agent();
  ASSERT_TRUE(run_until([&] { return phase("a") == Phase::failed; }));
  EXPECT_EQ(error_of("a"), "container c0 exited with code 7");
}

TEST_F(AgentTest, a_restart_keeps_what_runs_and_serves_its_ports_again) {
  auto request = simple_request("a");
  request.ports = {{20000, 80, model::Protocol::tcp}};
  ASSERT_TRUE(create(request));
  ASSERT_TRUE(settle("a"));
  const auto before = agent_->get(SandboxId("a"));
  restart_agent();
  ASSERT_TRUE(run_until([&] { return network_->forwards(20000, model::Protocol::tcp); }));
  const auto after = agent_->get(SandboxId("a"));
  EXPECT_EQ(after->phase, Phase::running);
  EXPECT_EQ(after->ip, before->ip);
  EXPECT_EQ(after->containers[0].pid, before->containers[0].pid);
  EXPECT_EQ(runtime_machine_->created, 1U);
}

TEST_F(AgentTest, strays_are_removed_and_free_slots_adopted) {
  const std::size_t slots = network_machine_->slots.size();
  pass(std::chrono::seconds(1));
  stop_agent();
  ports::FoundContainer stray;
  stray.key = "sbx-0-stray-0";
  runtime_machine_->plant(stray);
  output_machine_->logs[{SandboxId("ghost"), "c"}];
  start_agent();
  pass(std::chrono::seconds(5));
  EXPECT_EQ(network_machine_->slots.size(), 2U) << slots;
  expect_clean_machine();
}

TEST_F(AgentTest, a_full_disk_refuses_creates_and_nothing_else) {
  ASSERT_TRUE(create(simple_request("before")));
  ASSERT_TRUE(settle("before"));
  gauge_.space.free_bytes = 1000;
  const auto refused = create(simple_request("after"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
  EXPECT_FALSE(agent_->get(SandboxId("after")));
  EXPECT_EQ(agent_->get(SandboxId("before"))->phase, model::Phase::running);
  gauge_.space.free_bytes = std::int64_t{1} << 40;
  EXPECT_TRUE(create(simple_request("after")));
}

TEST_F(AgentTest, reports_its_disk_and_the_images_that_are_ready) {
  EXPECT_EQ(agent_->report().images, std::vector<std::string>());
  EXPECT_EQ(agent_->report().resources.disk_capacity_bytes, gauge_.space.capacity_bytes);
  EXPECT_EQ(agent_->report().resources.disk_free_bytes, gauge_.space.free_bytes);
  runtime_machine_->missing_images.insert("docker.io/library/absent:latest");
  ASSERT_TRUE(create(simple_request("a")));
  auto absent = simple_request("b");
  absent.spec.containers[0].image = "absent";
  ASSERT_TRUE(create(absent));
  ASSERT_TRUE(settle("a"));
  ASSERT_TRUE(settle("b"));
  EXPECT_EQ(agent_->report().images, std::vector<std::string>{"busybox"});
  restart_agent();
  EXPECT_EQ(agent_->report().images, std::vector<std::string>{"busybox"});
  gauge_.broken = Error(ErrorCode::storage_failed, "no disk");
  EXPECT_EQ(agent_->report().resources.disk_capacity_bytes, 0);
}

}  // namespace
}  // namespace sandboxd::node
