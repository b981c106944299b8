// Each checker speaks up on a planted fault and is silent on the healthy view it was planted in.
#include "world/checkers.hpp"

#include <gtest/gtest.h>

namespace sandboxd::world {
namespace {

using model::Phase;

class Checkers : public testing::Test {
 protected:
  Checkers() {
    view.is_up = view.is_idle = view.is_settled = true;
    model::Node node;
    node.id = NodeId("n");
    node.state = model::NodeState::ready;
    view.nodes.push_back(node);
    view.capacities[node.id].cpu_milli = 1000;
    view.capacities[node.id].memory_bytes = 1000;
    for (const char* name : {"a", "b"}) {
      model::Sandbox sandbox;
      sandbox.id = SandboxId(name);
      sandbox.uid = std::string("uid-") + name;
      sandbox.phase = Phase::running;
      sandbox.node = node.id;
      model::Container container;
      container.resources.request_cpu_milli = 500;
      container.resources.request_memory_bytes = 500;
      sandbox.spec.containers.push_back(container);
      model::PublishedPort port;
      port.host_port = name[0];
      sandbox.ports.push_back(port);
      view.sandboxes.push_back(sandbox);
      view.ledger[sandbox.id].uid = sandbox.uid;
      model::NodeSandbox found;
      found.id = sandbox.id;
      found.uid = sandbox.uid;
      found.phase = Phase::running;
      view.machines[node.id].push_back(found);
    }
    view.durable.sandboxes = view.sandboxes;
    view.durable.nodes = view.nodes;
  }

  View view;
};

TEST_F(Checkers, are_silent_on_a_healthy_cluster) { EXPECT_EQ(check_all(view), Problems()); }

TEST_F(Checkers, capacity_sees_overcommit) {
  view.sandboxes[0].spec.containers[0].resources.request_cpu_milli = 501;
  EXPECT_EQ(check_capacity(view).size(), 1U);
}

TEST_F(Checkers, capacity_does_not_count_what_is_at_rest) {
  view.sandboxes[0].spec.containers[0].resources.request_cpu_milli = 501;
  view.sandboxes[1].phase = Phase::failed;
  EXPECT_TRUE(check_capacity(view).empty());
}

TEST_F(Checkers, ports_sees_two_owners) {
  view.sandboxes[0].ports = view.sandboxes[1].ports;
  EXPECT_EQ(check_ports(view).size(), 1U);
}

TEST_F(Checkers, lives_sees_one_life_on_two_nodes) {
  view.machines[NodeId("other")].push_back(view.machines[NodeId("n")][0]);
  EXPECT_EQ(check_lives(view).size(), 2U);  // and thereby the id runs twice
}

TEST_F(Checkers, lives_sees_two_lives_of_one_id) {
  auto second = view.machines[NodeId("n")][0];
  second.uid = "uid-2";
  view.machines[NodeId("other")].push_back(second);
  EXPECT_EQ(check_lives(view).size(), 1U);
}

TEST_F(Checkers, ledger_sees_a_lost_create) {
  view.durable.sandboxes.pop_back();
  EXPECT_EQ(check_ledger(view).size(), 1U);
}

TEST_F(Checkers, ledger_sees_a_lost_delete) {
  view.ledger[SandboxId("a")].delete_sent = true;
  EXPECT_TRUE(check_ledger(view).empty());
  view.ledger[SandboxId("a")].delete_acknowledged = true;
  EXPECT_EQ(check_ledger(view).size(), 1U);
}

TEST_F(Checkers, reload_sees_a_difference) {
  view.durable.sandboxes[0].ip = "10.0.0.9";
  EXPECT_EQ(check_reload(view).size(), 1U);
  view.is_idle = false;  // then a difference is what is being stored
  EXPECT_TRUE(check_reload(view).empty());
}

TEST_F(Checkers, reload_ignores_heartbeats) {
  view.nodes[0].last_heartbeat = WallTime{5};
  EXPECT_TRUE(check_reload(view).empty());
  view.nodes[0].unschedulable = true;
  EXPECT_EQ(check_reload(view).size(), 1U);
}

TEST_F(Checkers, refusals_sees_a_missing_reason) {
  view.refusals[SandboxId("a")] = {"node n: not ready", "one too many"};
  EXPECT_EQ(check_refusals(view).size(), 1U);
}

TEST_F(Checkers, refusals_sees_a_failure_without_an_error) {
  view.sandboxes[0].phase = Phase::failed;
  EXPECT_EQ(check_refusals(view).size(), 1U);
}

TEST_F(Checkers, settled_sees_what_is_under_way) {
  view.sandboxes[0].phase = Phase::deleting;
  EXPECT_EQ(check_settled(view).size(), 1U);
}

TEST_F(Checkers, agreement_sees_a_leak_and_a_loss) {
  view.machines[NodeId("n")][0].uid = "uid-unknown";
  EXPECT_EQ(check_agreement(view).size(), 2U);
}

}  // namespace
}  // namespace sandboxd::world
