// Sandboxes with a restart policy on one simulated node.
#pragma once

#include "unit/node/node_fixture.hpp"

namespace sandboxd::node {

class RestartFixture : public NodeFixture {
 protected:
  static model::NodeCreateRequest request(model::RestartPolicy policy, int containers = 1,
                                          const std::string& runtime = "runc") {
    auto request = simple_request("a", containers);
    request.spec.restart_policy = policy;
    request.spec.runtime = runtime;
    request.ports = {{20000, 80, model::Protocol::tcp}};
    return request;
  }
  void create(model::NodeCreateRequest request) {
    request.uid[2] = static_cast<char>('0' + ++lives_ % 10);  // an id of a deleted one, but another life
    request.uid[3] = static_cast<char>('0' + lives_ / 10 % 10);
    ASSERT_TRUE(run(agent_->create(std::move(request))));
    ASSERT_TRUE(settle("a"));
    ASSERT_EQ(phase("a"), model::Phase::running) << sandbox().error;
  }
  model::NodeSandbox sandbox() { return agent_->get(SandboxId("a")).value_or(model::NodeSandbox()); }
  model::NodeContainer container(std::size_t index = 0) { return sandbox().containers.at(index); }
  // The one that runs now is killed.
  void kill(std::size_t index = 0, int exit_code = 137) { runtime_machine_->exit(container(index).key, exit_code); }
  bool restarted(std::int64_t times, std::size_t index = 0) {
    return run_until([&] {
      const auto now = agent_->get(SandboxId("a"));
      return now && now->containers.at(index).restarts == times &&
             now->containers.at(index).phase == model::ContainerPhase::running;
    });
  }
  // Records and machine agree on a whole sandbox: every container alive, the slot with its address, the port open.
  void expect_whole() {
    const model::NodeSandbox now = sandbox();
    EXPECT_EQ(now.phase, model::Phase::running) << now.error;
    std::size_t expected = now.containers.size() + (now.pod_key.empty() ? 0 : 1);
    EXPECT_EQ(runtime_machine_->containers.size(), expected);
    for (const auto& container : now.containers) {
      EXPECT_EQ(container.phase, model::ContainerPhase::running);
      const auto at = runtime_machine_->containers.find(container.key);
      ASSERT_NE(at, runtime_machine_->containers.end()) << container.key;
      EXPECT_EQ(at->second.found.task, ports::FoundContainer::Task::running);
      EXPECT_EQ(at->second.found.pid, container.pid);
    }
    ASSERT_TRUE(network_machine_->slots.contains(now.slot));
    EXPECT_EQ(network_machine_->slots.at(now.slot).ip, now.ip);
    EXPECT_TRUE(network_machine_->is_open(now.slot, now.ports.at(0)));
    EXPECT_TRUE(network_->forwards(20000, model::Protocol::tcp));
  }
  void delete_and_expect_clean() {
    ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
    ASSERT_TRUE(run_until([&] { return !agent_->get(SandboxId("a")); }));
    expect_clean_machine();
  }

  int lives_ = 0;
};

}  // namespace sandboxd::node
