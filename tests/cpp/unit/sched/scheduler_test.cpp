#include "sched/scheduler.hpp"

#include "sched/filter.hpp"
#include "sched/score.hpp"

#include <gtest/gtest.h>

namespace sandboxd::sched {
namespace {

NodeView node(const char* id, std::int64_t cpu = 1000, std::int64_t memory = 1000) {
  NodeView view;
  view.id = NodeId(id);
  view.ready = true;
  view.allocatable_cpu_milli = view.free_cpu_milli = cpu;
  view.allocatable_memory_bytes = view.free_memory_bytes = memory;
  view.free_ports = 10;
  return view;
}

Request request(std::int64_t cpu = 100, std::int64_t memory = 100) {
  Request out;
  out.cpu_milli = cpu;
  out.memory_bytes = memory;
  return out;
}

TEST(Filter, each_rule_refuses_what_it_names) {
  NodeView view = node("n");
  EXPECT_FALSE(refuses(view, request()));
  view.ready = false;
  EXPECT_EQ(refuses(view, request()), Rule::not_ready);
  view = node("n");
  view.cordoned = true;
  EXPECT_EQ(refuses(view, request()), Rule::cordoned);
  view = node("n");
  Request wants = request();
  wants.selector["zone"] = "a";
  EXPECT_EQ(refuses(view, wants), Rule::selector);
  view.labels["zone"] = "b";
  EXPECT_EQ(refuses(view, wants), Rule::selector);
  view.labels["zone"] = "a";
  EXPECT_FALSE(refuses(view, wants));
  EXPECT_EQ(refuses(view, request(1001)), Rule::cpu);
  EXPECT_EQ(refuses(view, request(1000, 1001)), Rule::memory);
  EXPECT_FALSE(refuses(view, request(1000, 1000)));
  wants.host_ports.assign(11, 0);
  EXPECT_EQ(refuses(view, wants), Rule::ports);
  wants.host_ports = {8080};
  view.taken_ports = {80, 8080};
  EXPECT_EQ(refuses(view, wants), Rule::ports);
}

TEST(Filter, explanations_name_the_node_and_the_amounts) {
  const NodeView view = node("n1", 200);
  EXPECT_EQ(explain(view, request(500), Rule::cpu).text, "node n1: not enough cpu: needs 500m, has 200m free");
  Request wants;
  wants.selector["zone"] = "a";
  EXPECT_EQ(explain(view, wants, Rule::selector).text, "node n1: lacks the labels zone=a");
}

TEST(Score, is_bounded_and_grows_with_room) {
  NodeView view = node("n");
  EXPECT_EQ(score(view), kScoreMax);
  view.free_cpu_milli = 0;
  EXPECT_EQ(score(view), 33);
  view.free_memory_bytes = -5;
  EXPECT_EQ(score(view), 0);
  view.allocatable_cpu_milli = view.allocatable_memory_bytes = 0;
  EXPECT_EQ(score(view), 0);
  view = node("n", INT64_MAX, INT64_MAX);
  view.free_memory_bytes = INT64_MAX / 2;
  EXPECT_EQ(score(view), 83);
}

TEST(Place, takes_the_roomiest_node_and_the_lowest_id_among_equals) {
  Snapshot snapshot;
  snapshot.nodes = {node("c"), node("b"), node("a")};
  EXPECT_EQ(place(snapshot, request()).node, NodeId("a"));
  snapshot.nodes[2].free_cpu_milli = 500;
  EXPECT_EQ(place(snapshot, request()).node, NodeId("b"));
  snapshot.nodes[1].free_memory_bytes = 500;
  EXPECT_EQ(place(snapshot, request()).node, NodeId("c"));
}

TEST(Place, gives_a_reason_for_every_node_when_none_fits) {
  Snapshot snapshot;
  snapshot.nodes = {node("b", 10), node("a")};
  snapshot.nodes[1].cordoned = true;
  const Decision decision = place(snapshot, request());
  ASSERT_FALSE(decision.placed());
  ASSERT_EQ(decision.refusals.size(), 2U);
  EXPECT_EQ(decision.refusals[0].node, NodeId("a"));
  EXPECT_EQ(decision.refusals[0].rule, Rule::cordoned);
  EXPECT_EQ(decision.refusals[1].rule, Rule::cpu);
  EXPECT_EQ(place(snapshot, request(), 1).refusals.size(), 1U);
}

TEST(Place, no_nodes_is_a_reason_too) {
  EXPECT_FALSE(place({}, request()).placed());
  EXPECT_EQ(lines_of({}, 0), std::vector<std::string>{"no nodes are registered"});
  EXPECT_EQ(lines_of({{NodeId("a"), Rule::cpu, "x"}}, 3), (std::vector<std::string>{"x", "and 2 more nodes"}));
}

TEST(RequestOf, sums_containers_and_counts_ports) {
  model::SandboxSpec spec;
  spec.containers.resize(2);
  spec.containers[0].resources.request_cpu_milli = 100;
  spec.containers[1].resources.request_cpu_milli = 50;
  spec.containers[1].resources.request_memory_bytes = 7;
  spec.ports.resize(2);
  spec.ports[1].host_port = 9000;
  spec.node_selector["zone"] = "a";
  const Request wants = request_of(spec);
  EXPECT_EQ(wants.cpu_milli, 150);
  EXPECT_EQ(wants.memory_bytes, 7);
  EXPECT_EQ(wants.host_ports, (std::vector<int>{0, 9000}));
  EXPECT_EQ(wants.selector.at("zone"), "a");
}

}  // namespace
}  // namespace sandboxd::sched
