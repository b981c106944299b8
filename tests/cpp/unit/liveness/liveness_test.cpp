#include "liveness/heartbeats.hpp"
#include "liveness/node_fsm.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sandboxd::liveness {
namespace {

using model::NodeState;

constexpr HealthPolicy kPolicy{2, 2};
constexpr MonoTime kStart{5'000'000'000};

Health after(Health health, std::initializer_list<Signal> signals) {
  for (const Signal signal : signals) health = next(health, signal, "broken", kPolicy);
  return health;
}

TEST(NodeFsm, a_polled_node_needs_its_streak_to_become_ready) {
  EXPECT_EQ(after({}, {Signal::probe_ok}).state, NodeState::unknown);
  EXPECT_EQ(after({}, {Signal::probe_ok}).success_streak, 1);
  EXPECT_EQ(after({}, {Signal::probe_ok, Signal::probe_failed, Signal::probe_ok}).state, NodeState::unknown);
  const Health ready = after({}, {Signal::probe_ok, Signal::probe_ok, Signal::probe_ok});
  EXPECT_EQ(ready.state, NodeState::ready);
  EXPECT_EQ(ready.success_streak, 2) << "capped at the threshold";
}

TEST(NodeFsm, a_ready_node_survives_fewer_failures_than_the_threshold) {
  const Health ready = after({}, {Signal::probe_ok, Signal::probe_ok});
  EXPECT_EQ(after(ready, {Signal::probe_failed}).state, NodeState::ready);
  const Health failed = after(ready, {Signal::probe_failed, Signal::probe_failed, Signal::probe_failed});
  EXPECT_EQ(failed.state, NodeState::not_ready);
  EXPECT_EQ(failed.failure_streak, 3) << "not capped";
  EXPECT_EQ(failed.last_error, "broken");
  EXPECT_EQ(after(failed, {Signal::probe_ok}).state, NodeState::not_ready);
  EXPECT_EQ(after(failed, {Signal::probe_ok}).last_error, "");
}

TEST(NodeFsm, the_first_report_makes_a_streaming_node_ready) {
  EXPECT_EQ(after({}, {Signal::report}).state, NodeState::ready);
  EXPECT_EQ(after({}, {Signal::silence, Signal::report}).state, NodeState::ready);
}

TEST(NodeFsm, a_broken_stream_alone_does_not_take_a_ready_node_down) {
  const Health ready = after({}, {Signal::report});
  const Health broken = after(ready, {Signal::link_failed, Signal::link_failed, Signal::link_failed});
  EXPECT_EQ(broken.state, NodeState::ready);
  EXPECT_EQ(after(broken, {Signal::silence}).state, NodeState::not_ready);
  EXPECT_EQ(after({}, {Signal::link_failed}).state, NodeState::unknown);
  EXPECT_EQ(after({}, {Signal::link_failed, Signal::link_failed}).state, NodeState::not_ready);
}

TEST(NodeFsm, health_travels_in_the_node_record) {
  model::Node node;
  set_health(node, after({}, {Signal::silence}));
  EXPECT_EQ(node.state, NodeState::not_ready);
  EXPECT_EQ(health_of(node), after({}, {Signal::silence}));
}

TEST(Heartbeats, a_node_falls_silent_once_after_its_term) {
  Heartbeats beats;
  beats.renew(NodeId("a"), kStart, kReportTtl);
  EXPECT_EQ(beats.next_deadline(), kStart + kReportTtl);
  EXPECT_TRUE(beats.expire(kStart + (kReportTtl - Duration(1))).empty());
  EXPECT_EQ(beats.expire(kStart + kReportTtl), std::vector<NodeId>{NodeId("a")});
  EXPECT_TRUE(beats.expire(kStart + kReportTtl * 2).empty());
  EXPECT_FALSE(beats.next_deadline());
}

TEST(Heartbeats, a_report_pushes_the_deadline_back) {
  Heartbeats beats;
  beats.renew(NodeId("a"), kStart, kReportTtl);
  beats.renew(NodeId("b"), kStart, kReportTtl);
  beats.renew(NodeId("a"), kStart + std::chrono::seconds(10), kReportTtl);
  EXPECT_EQ(beats.expire(kStart + kReportTtl), std::vector<NodeId>{NodeId("b")});
  beats.forget(NodeId("a"));
  EXPECT_TRUE(beats.expire(kStart + std::chrono::hours(1)).empty());
}

TEST(ReportTerm, grows_with_the_cluster_and_spreads) {
  const Duration spread = kReportTtl / 8;
  EXPECT_EQ(report_term(1, 0) / std::chrono::seconds(1), 16);
  EXPECT_EQ(report_term(10000, 0), kReportTtl * 2);
  EXPECT_EQ(report_term(20000, 0), kReportTtl * 2) << "and no further";
  EXPECT_GT(report_term(5000, 0), report_term(1000, 0));
  std::set<Duration> drawn;
  for (std::uint64_t draw = 0; draw < 1000; ++draw) {
    const Duration term = report_term(0, draw * 7'919'000'017);
    EXPECT_GE(term, kReportTtl);
    EXPECT_LT(term, kReportTtl + spread);
    drawn.insert(term);
  }
  EXPECT_GT(drawn.size(), 900U);
}

TEST(Heartbeats, equal_deadlines_come_out_by_id) {
  Heartbeats beats;
  for (const char* id : {"c", "a", "b"}) beats.renew(NodeId(id), kStart, kReportTtl);
  EXPECT_EQ(beats.expire(kStart + kReportTtl), (std::vector<NodeId>{NodeId("a"), NodeId("b"), NodeId("c")}));
}

}  // namespace
}  // namespace sandboxd::liveness
