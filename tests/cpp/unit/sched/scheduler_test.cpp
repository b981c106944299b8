#include "sched/scheduler.hpp"

#include "base/random.hpp"
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
  return view;
}

Request request(std::int64_t cpu = 100, std::int64_t memory = 100) {
  Request out;
  out.cpu_milli = cpu;
  out.memory_bytes = memory;
  return out;
}

std::optional<Rule> refused(const NodeView& view, const Request& wants) {
  Snapshot snapshot;
  snapshot.nodes = {view};
  const Decision decision = place(snapshot, wants);
  return decision.placed() ? std::nullopt : std::optional(decision.refusals.at(0).rule);
}

TEST(Filter, each_rule_refuses_what_it_names) {
  NodeView view = node("n");
  EXPECT_FALSE(refused(view, request()));
  view.ready = false;
  EXPECT_EQ(refused(view, request()), Rule::not_ready);
  view = node("n");
  view.cordoned = true;
  EXPECT_EQ(refused(view, request()), Rule::cordoned);
  view = node("n");
  view.held = true;
  EXPECT_EQ(refused(view, request()), Rule::held);
  view = node("n");
  Request wants = request();
  wants.selector["zone"] = "a";
  EXPECT_EQ(refused(view, wants), Rule::selector);
  view.labels["zone"] = "b";
  EXPECT_EQ(refused(view, wants), Rule::selector);
  view.labels["zone"] = "a";
  EXPECT_FALSE(refused(view, wants));
  wants.nodes = {NodeId("m"), NodeId("unknown")};
  EXPECT_EQ(refused(view, wants), Rule::selector);
  wants.nodes = {NodeId("m"), NodeId("n")};
  EXPECT_FALSE(refused(view, wants));
  EXPECT_EQ(refused(view, request(1001)), Rule::cpu);
  EXPECT_EQ(refused(view, request(1000, 1001)), Rule::memory);
  EXPECT_FALSE(refused(view, request(1000, 1000)));
  wants.host_ports.assign(22769, 0);
  EXPECT_EQ(refused(view, wants), Rule::ports);
  wants.host_ports = {8080};
  EXPECT_FALSE(refused(view, wants));
  view.taken_ports = {80, 8080};
  EXPECT_EQ(refused(view, wants), Rule::ports);
  wants.host_ports = {443, 443};
  EXPECT_EQ(refused(view, wants), Rule::ports);
}

TEST(Filter, the_policy_orders_the_reasons) {
  NodeView view = node("n", 10, 10);
  view.cordoned = true;
  EXPECT_EQ(refused(view, request()), Rule::cordoned);
  Snapshot snapshot;
  snapshot.nodes = {view};
  const Policy policy = parse_policy(R"({"rules": ["memory", "cpu"]})").value();
  EXPECT_EQ(place(snapshot, request(), policy).refusals.at(0).rule, Rule::memory);
}

TEST(Filter, explanations_name_the_node_and_the_amounts) {
  NodeView view = node("n1", 200);
  EXPECT_EQ(explain(view, request(500), Rule::cpu).text, "node n1: not enough cpu: needs 500m, has 200m free");
  Request wants;
  wants.selector["zone"] = "a";
  EXPECT_EQ(explain(view, wants, Rule::selector).text, "node n1: lacks the labels zone=a");
  wants.nodes = {NodeId("n2")};
  EXPECT_EQ(explain(view, wants, Rule::selector).text, "node n1: is none of the nodes that it may be on");
  wants.host_ports = {0, 8080};
  view.free_ports = 1;
  EXPECT_EQ(explain(view, wants, Rule::ports).text, "node n1: not enough host ports: needs 2, has 1 free");
  view.free_ports = 9;
  EXPECT_EQ(explain(view, wants, Rule::ports).text, "node n1: host ports not all free: 8080");
}

Row row(std::int64_t cpu, std::int64_t free_cpu, std::int64_t memory, std::int64_t free_memory) {
  Row out(PortRange(), 1);
  out.allocatable_cpu_milli.set(cpu);
  out.free_cpu_milli = free_cpu;
  out.allocatable_memory_bytes.set(memory);
  out.free_memory_bytes = free_memory;
  return out;
}

TEST(Score, room_fill_and_balance_are_of_the_node_with_the_request_on_it) {
  Ask ask;
  ask.cpu_milli = 100;
  const Row half = row(1000, 600, 1000, 900);
  EXPECT_EQ(cpu_room(half, ask), 50);
  EXPECT_EQ(cpu_fill(half, ask), 50);
  EXPECT_EQ(memory_room(half, ask), 90);
  EXPECT_EQ(memory_fill(half, ask), 10);
  EXPECT_EQ(balance(half, ask), 60);
}

TEST(Score, every_one_stays_within_its_bounds_at_the_ends_of_the_type) {
  Ask ask;
  ask.cpu_milli = ask.memory_bytes = INT64_MAX;
  for (const Row& node : {row(INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX / 2), row(0, 0, 0, 0), row(1, -5, 1, -7),
                          row(INT64_MAX, INT64_MIN, 1, INT64_MAX)}) {
    for (const Score score : all_scores()) {
      for (const Ask& one : {Ask(), ask}) {
        EXPECT_GE(points(score, node, one), 0);
        EXPECT_LE(points(score, node, one), kScoreMax);
      }
    }
  }
  EXPECT_EQ(memory_room(row(1, 1, INT64_MAX, INT64_MAX / 2), Ask()), 49);
}

TEST(Score, per_cents_are_those_of_a_division) {
  Random random(3);
  for (int n = 0; n < 100000; ++n) {
    const auto any = [&] { return static_cast<std::int64_t>(random.next() >> (1 + random.below(63))); };
    const std::int64_t value = any();
    const std::int64_t part = any();
    Whole whole;
    whole.set(value);
    const __int128 exact = value <= 0 ? 0 : std::min<__int128>(100, static_cast<__int128>(part) * 100 / value);
    const int slack = value > INT64_MAX / 100 ? 1 : 0;  // the lowest bits are left out then
    ASSERT_LE(std::abs(whole.percent(part) - static_cast<int>(exact)), slack) << part << " of " << value;
  }
}

TEST(Score, images_and_spreading_count_what_is_there) {
  Row node = row(1, 1, 1, 1);
  Ask ask;
  EXPECT_EQ(image(node, ask), kScoreMax);
  ask.images = {3, 0};
  EXPECT_EQ(image(node, ask), 0);
  node.images = {2, 3};
  EXPECT_EQ(image(node, ask), 50);
  ask.group = 7;
  EXPECT_EQ(spread_node(node, ask), 100);
  add_to(node.groups, 7, 1);
  EXPECT_EQ(spread_node(node, ask), 50);
  add_to(node.groups, 7, 500);
  EXPECT_EQ(spread_node(node, ask), 0);
  EXPECT_EQ(spread_domain(node, ask), 100);
  const std::vector<Count> domains{{1, 2}, {2, 8}};
  ask.domains = &domains;
  ask.domains_max = 8;
  node.domain = 1;
  EXPECT_EQ(spread_domain(node, ask), 75);
  ask.domains_min = 2;
  EXPECT_EQ(spread_domain(node, ask), 100);
  ask.domains_min = 0;
  node.domain = 2;
  EXPECT_EQ(spread_domain(node, ask), 0);
  node.domain = 3;
  EXPECT_EQ(spread_domain(node, ask), 100);
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
  EXPECT_EQ(place(snapshot, request(), built_in_policies().front(), 1).refusals.size(), 1U);
}

TEST(Place, no_nodes_is_a_reason_too) {
  EXPECT_FALSE(place({}, request()).placed());
  EXPECT_EQ(lines_of({}, 0), std::vector<std::string>{"no nodes are registered"});
  EXPECT_EQ(lines_of({{NodeId("a"), Rule::cpu, "x"}}, 3), (std::vector<std::string>{"x", "and 2 more nodes"}));
}

TEST(RequestOf, sums_containers_volumes_and_ports) {
  model::Sandbox sandbox;
  sandbox.owner = "ann";
  model::SandboxSpec& spec = sandbox.spec;
  spec.containers.resize(2);
  spec.containers[0].image = "alpine";
  spec.containers[0].resources.request_cpu_milli = 100;
  spec.containers[0].resources.ephemeral_storage_bytes.value = 10;
  spec.containers[1].resources.request_cpu_milli = 50;
  spec.containers[1].resources.request_memory_bytes = 7;
  spec.volumes.resize(1);
  spec.volumes[0].ephemeral_storage_bytes.value = 5;
  spec.ports.resize(2);
  spec.ports[1].host_port = 9000;
  spec.node_selector["zone"] = "a";
  spec.annotations[kNodesAnnotation] = "n1/n 2";
  Request wants = request_of(sandbox);
  EXPECT_EQ(wants.nodes, (std::vector<NodeId>{NodeId("n1"), NodeId("n 2")}));
  EXPECT_EQ(wants.cpu_milli, 150);
  EXPECT_EQ(wants.memory_bytes, 7);
  EXPECT_EQ(wants.disk_bytes, 15);
  EXPECT_EQ(wants.host_ports, (std::vector<int>{0, 9000}));
  EXPECT_EQ(wants.selector.at("zone"), "a");
  EXPECT_EQ(wants.images, (std::vector<std::string>{"alpine", ""}));
  EXPECT_EQ(wants.group, "ann");
  spec.template_id = "py";
  spec.volumes[0].ephemeral_storage_bytes.value = INT64_MAX;
  EXPECT_EQ(request_of(sandbox).group, "ann/py");
  EXPECT_EQ(request_of(sandbox).disk_bytes, INT64_MAX);
}

}  // namespace
}  // namespace sandboxd::sched
