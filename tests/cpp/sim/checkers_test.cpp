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
      found.ports = sandbox.ports;
      found.slot = std::string("slot-") + name;
      found.ip = std::string("ip-") + name;
      found.containers.push_back({.name = "app", .key = std::string("key-") + name});
      view.machines[node.id].push_back(found);
      MachineView& machine = view.hardware[node.id];
      machine.containers[found.containers[0].key] = true;
      machine.network.slots[found.slot] = {found.ip, true, {}, found.ports};
      machine.network.owners[{port.host_port, port.protocol}] = found.slot;
      machine.outputs.insert(found.id);
    }
    MachineView& machine = view.hardware[node.id];
    machine.is_up = true;
    machine.believed = view.machines[node.id];
    machine.network.slots["slot-free"] = {"ip-free", true, {}, {}};
    machine.pool_size = 1;
    view.durable.sandboxes = view.sandboxes;
    view.durable.nodes = view.nodes;
    view.host_ports = 10;
    view.indexes[node.id] = {1000, 1000, 8};
    view.boot_ids[node.id] = node.boot_id;
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

TEST_F(Checkers, indexes_see_a_reservation_that_nobody_has) {
  view.indexes[NodeId("n")].reserved_cpu_milli = 1001;
  EXPECT_EQ(check_indexes(view).size(), 1U);
}

TEST_F(Checkers, indexes_see_a_port_that_was_never_given_back) {
  view.indexes[NodeId("n")].free_ports = 7;
  EXPECT_EQ(check_indexes(view).size(), 1U);
  view.is_settled = false;  // then it may be one that was released a moment ago
  EXPECT_TRUE(check_indexes(view).empty());
  view.indexes[NodeId("n")].free_ports = 9;
  EXPECT_EQ(check_indexes(view).size(), 1U);
}

TEST_F(Checkers, indexes_see_a_queue_with_a_stranger) {
  view.queued = 1;
  EXPECT_EQ(check_indexes(view).size(), 1U);
}

TEST_F(Checkers, settled_sees_a_belief_in_a_dead_incarnation) {
  view.boot_ids[NodeId("n")] = "another";
  EXPECT_EQ(check_settled(view).size(), 1U);
}

TEST_F(Checkers, settled_sees_what_is_under_way) {
  view.sandboxes[0].phase = Phase::deleting;
  EXPECT_EQ(check_settled(view).size(), 1U);
}

TEST_F(Checkers, agreement_sees_a_leak_and_a_loss) {
  view.machines[NodeId("n")][0].uid = "uid-unknown";
  EXPECT_EQ(check_agreement(view).size(), 2U);
}

TEST_F(Checkers, agreement_sees_other_ports) {
  view.machines[NodeId("n")][0].ports[0].host_port = 7;
  EXPECT_EQ(check_agreement(view).size(), 1U);
}

TEST_F(Checkers, networks_sees_a_port_without_its_slot) {
  view.hardware[NodeId("n")].network.owners[{7, model::Protocol::tcp}] = "slot-gone";
  EXPECT_EQ(check_networks(view).size(), 1U);
}

// Each plants one fault in the machine under two healthy sandboxes.
class MachineCheckers : public Checkers {
 protected:
  MachineView& machine = view.hardware[NodeId("n")];
};

TEST_F(MachineCheckers, see_a_leaked_container) {
  machine.containers["key-stray"] = false;
  EXPECT_EQ(check_machines(view).size(), 1U);
  view.is_settled = false;  // then it may be one that is being made
  EXPECT_TRUE(check_machines(view).empty());
}

TEST_F(MachineCheckers, see_a_container_that_does_not_run) {
  machine.containers["key-a"] = false;
  EXPECT_EQ(check_machines(view).size(), 1U);
}

TEST_F(MachineCheckers, see_a_leaked_slot) {
  machine.network.slots["slot-stray"] = {"ip-stray", true, {}, {}};
  EXPECT_EQ(check_machines(view).size(), 1U);
}

TEST_F(MachineCheckers, see_a_pool_that_is_not_full) {
  machine.network.slots.erase("slot-free");
  EXPECT_EQ(check_machines(view).size(), 1U);
}

TEST_F(MachineCheckers, see_a_half_made_slot) {
  machine.network.slots["slot-free"].bound = false;
  EXPECT_EQ(check_machines(view).size(), 1U);
}

TEST_F(MachineCheckers, see_a_port_that_is_not_published) {
  machine.network.slots["slot-a"].ports.clear();
  machine.network.owners.erase({'a', model::Protocol::tcp});
  EXPECT_EQ(check_machines(view).size(), 2U);  // not open, and one too few
}

TEST_F(MachineCheckers, see_a_leaked_log) {
  machine.outputs.insert(SandboxId("stray"));
  EXPECT_EQ(check_machines(view).size(), 1U);
}

TEST_F(MachineCheckers, see_an_agent_that_believes_other_than_it_recorded) {
  machine.believed.pop_back();
  EXPECT_EQ(check_machines(view).size(), 1U);
}

TEST_F(MachineCheckers, see_a_dead_agent) {
  machine.is_up = false;
  EXPECT_EQ(check_machines(view).size(), 1U);
}

}  // namespace
}  // namespace sandboxd::world
