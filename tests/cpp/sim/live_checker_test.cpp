// Each plants one wrong event in a right sequence.
#include "world/live_checker.hpp"

#include <gtest/gtest.h>

namespace sandboxd::world {
namespace {

using model::Phase;
using orch::WatchKind;

class Live : public testing::Test {
 protected:
  Live() {
    for (const char* node : {"n", "m"}) checker.set_capacity(NodeId(node), 1000, 1000);
    checker.begin_life({}, 0);
    put("a", Phase::pending);
    put("a", Phase::scheduled);
    put("b", Phase::pending);
  }

  model::Sandbox sandbox(const char* id, Phase phase) const {
    model::Sandbox out;
    out.id = SandboxId(id);
    out.uid = std::string("uid-") + id;
    out.phase = phase;
    model::Container container;
    container.resources.request_cpu_milli = 600;
    container.resources.request_memory_bytes = 10;
    out.spec.containers.push_back(container);
    if (phase == Phase::pending) return out;
    out.node = NodeId("n");
    model::PublishedPort port;
    port.host_port = 10000 + id[0];
    out.ports.push_back(port);
    return out;
  }
  void hear(WatchKind kind, model::Sandbox what) {
    orch::WatchEvent event;
    event.kind = kind;
    event.revision = ++revision;
    event.sandbox = std::make_shared<const model::Sandbox>(std::move(what));
    checker.hear(event, durable_lag ? revision - 1 : revision, now);
  }
  void put(const char* id, Phase phase) { hear(WatchKind::sandbox_put, sandbox(id, phase)); }
  void report(const std::string& boot_id) {
    orch::WatchEvent event;
    event.kind = WatchKind::node_put;
    event.revision = ++revision;
    model::Node node;
    node.id = NodeId("n");
    node.boot_id = boot_id;
    event.node = std::make_shared<const model::Node>(std::move(node));
    checker.hear(event, revision, now);
  }

  std::vector<std::string> said;
  Ledger ledger;
  LiveChecker checker{[this](const std::string& what) { said.push_back(what); }, ledger};
  std::int64_t revision = 0;
  bool durable_lag = false;
  MonoTime now{1};
};

TEST_F(Live, is_silent_on_a_life_as_it_should_be) {
  now = MonoTime{8};
  put("a", Phase::creating);
  put("a", Phase::running);
  EXPECT_EQ(checker.running_times(), std::vector<Duration>{Duration(7)});
  put("a", Phase::deleting);
  hear(WatchKind::sandbox_gone, sandbox("a", Phase::deleting));
  put("b", Phase::scheduled);
  report("x");
  report("y");
  EXPECT_EQ(said, std::vector<std::string>());
  EXPECT_EQ(checker.placements(), 2U);
  EXPECT_EQ(checker.cpu_permille(), (std::vector<std::int64_t>{0, 600}));
}

TEST_F(Live, sees_a_gap_in_the_revisions) {
  ++revision;
  put("a", Phase::creating);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_what_was_told_too_early) {
  durable_lag = true;
  put("a", Phase::creating);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_a_promise_beyond_the_capacity_in_the_very_turn) {
  put("b", Phase::scheduled);  // 600 and 600 of 1000
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_a_port_that_is_given_out_twice) {
  auto other = sandbox("b", Phase::scheduled);
  other.spec.containers.clear();
  other.ports[0].host_port = 10000 + 'a';
  hear(WatchKind::sandbox_put, other);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_a_move_that_the_table_does_not_have) {
  put("a", Phase::running);
  put("a", Phase::pending);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_a_beginning_in_the_middle) {
  put("c", Phase::deleting);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_a_second_life_beside_the_first) {
  auto second = sandbox("a", Phase::scheduled);
  second.uid = "uid-2";
  hear(WatchKind::sandbox_put, second);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_the_end_of_what_never_was) {
  hear(WatchKind::sandbox_gone, sandbox("c", Phase::deleting));
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_what_goes_without_being_deleted) {
  ledger[SandboxId("b")].uid = "uid-b";
  hear(WatchKind::sandbox_gone, sandbox("b", Phase::pending));
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_an_acknowledged_create_lost_over_a_restart) {
  ledger[SandboxId("b")].uid = "uid-b";
  checker.begin_life({}, revision);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_an_acknowledged_delete_lost_over_a_restart) {
  ledger[SandboxId("b")] = {"uid-b", false, true, true};
  checker.begin_life({std::make_shared<const model::Sandbox>(sandbox("b", Phase::pending))}, revision);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_revisions_that_were_told_and_lost) {
  checker.begin_life({}, revision - 1);
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_a_dead_incarnation_come_back) {
  report("x");
  report("y");
  report("x");
  EXPECT_EQ(said.size(), 1U);
}

TEST_F(Live, sees_a_double_placement_and_an_unknown_create) {
  checker.arrive(NodeId("n"), SandboxId("a"), "uid-a", true);
  checker.arrive(NodeId("n"), SandboxId("a"), "uid-a", false);  // late: it is gone again
  EXPECT_TRUE(said.empty());
  checker.arrive(NodeId("m"), SandboxId("a"), "uid-a", true);
  EXPECT_EQ(said.size(), 1U);
  checker.arrive(NodeId("n"), SandboxId("z"), "uid-z", false);
  EXPECT_EQ(said.size(), 2U);
}

}  // namespace
}  // namespace sandboxd::world
