#include "sched/cluster.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace sandboxd::sched {
namespace {

constexpr MonoTime kStart{1'000'000'000};

NodeFacts facts(std::int64_t cpu, std::int64_t memory) {
  NodeFacts out;
  out.ready = true;
  out.allocatable_cpu_milli = cpu;
  out.allocatable_memory_bytes = memory;
  return out;
}

Reservation hold(std::int64_t cpu, std::vector<int> ports = {}) {
  Reservation out;
  out.cpu_milli = cpu;
  out.memory_bytes = cpu;
  out.ports = std::move(ports);
  return out;
}

Request ask(std::int64_t cpu, std::vector<int> ports = {}) {
  Request out;
  out.cpu_milli = cpu;
  out.memory_bytes = cpu;
  out.host_ports = std::move(ports);
  return out;
}

ClusterOptions options(int first, int last) {
  ClusterOptions out;
  out.ports.first = first;
  out.ports.last = last;
  return out;
}

TEST(Cluster, a_reservation_takes_room_and_a_release_gives_it_back) {
  Cluster cluster(options(10, 20));
  cluster.upsert(NodeId("n"), facts(1000, 1000));
  cluster.reserve(NodeId("n"), hold(600));
  EXPECT_FALSE(cluster.place(ask(500), kStart, 9).placed());
  cluster.release(NodeId("n"), hold(600), kStart, true);
  EXPECT_TRUE(cluster.place(ask(500), kStart, 9).placed());
}

TEST(Cluster, a_hopeless_request_is_tried_again_when_something_helps) {
  Cluster cluster(options(10, 20));
  EXPECT_FALSE(cluster.place(ask(500), kStart, 9).placed());
  cluster.upsert(NodeId("n"), facts(400, 400));
  EXPECT_FALSE(cluster.place(ask(500), kStart, 9).placed());
  cluster.upsert(NodeId("n"), facts(500, 500));
  EXPECT_TRUE(cluster.place(ask(500), kStart, 9).placed());
}

TEST(Cluster, ports_come_back_after_their_quarantine) {
  Cluster cluster(options(10, 10));
  cluster.upsert(NodeId("n"), facts(1000, 1000));
  cluster.reserve(NodeId("n"), hold(1, {10}));
  cluster.release(NodeId("n"), hold(1, {10}), kStart, true);
  EXPECT_EQ(cluster.place(ask(1, {0}), kStart, 9).refusals.at(0).rule, Rule::ports);
  ASSERT_TRUE(cluster.next_port_expiry());
  EXPECT_TRUE(cluster.place(ask(1, {0}), *cluster.next_port_expiry(), 9).placed());
}

TEST(Cluster, reservations_outlive_the_node_and_come_before_it) {
  Cluster cluster(options(10, 20));
  cluster.reserve(NodeId("n"), hold(600));
  EXPECT_EQ(cluster.size(), 0U);
  cluster.upsert(NodeId("n"), facts(1000, 1000));
  EXPECT_FALSE(cluster.place(ask(500), kStart, 9).placed());
  cluster.erase(NodeId("n"));
  EXPECT_EQ(cluster.place(ask(1), kStart, 9).refusals.size(), 0U);
  cluster.upsert(NodeId("n"), facts(1000, 1000));
  EXPECT_FALSE(cluster.place(ask(500), kStart, 9).placed());
}

TEST(Cluster, a_node_that_shrank_below_its_reservations_takes_nothing) {
  Cluster cluster(options(10, 20));
  cluster.upsert(NodeId("n"), facts(1000, 1000));
  cluster.reserve(NodeId("n"), hold(800));
  cluster.upsert(NodeId("n"), facts(500, 500));
  EXPECT_LT(cluster.snapshot().nodes[0].free_cpu_milli, 0);
  EXPECT_FALSE(cluster.place(ask(1), kStart, 9).placed());
}

TEST(Cluster, only_what_could_help_counts_as_a_gain) {
  Cluster cluster(options(10, 20));
  NodeFacts node = facts(1000, 1000);
  const auto gained = [&] {
    const std::uint64_t before = cluster.gains();
    cluster.upsert(NodeId("n"), node);
    return cluster.gains() > before;
  };
  EXPECT_TRUE(gained());  // added
  EXPECT_FALSE(gained());
  node.allocatable_cpu_milli = 900;
  EXPECT_FALSE(gained());
  node.allocatable_cpu_milli = 1100;
  EXPECT_TRUE(gained());
  node.cordoned = true;
  EXPECT_FALSE(gained());
  node.allocatable_memory_bytes = 5000;
  EXPECT_FALSE(gained());
  node.cordoned = false;
  EXPECT_TRUE(gained());
  node.ready = false;
  EXPECT_FALSE(gained());
  node.ready = true;
  EXPECT_TRUE(gained());
  node.labels["zone"] = "a";
  EXPECT_TRUE(gained());
  node.allocatable_disk_bytes = 10;
  EXPECT_TRUE(gained());
  node.unused_disk_bytes = 5;
  EXPECT_TRUE(gained());
  node.unused_disk_bytes = 4;
  EXPECT_FALSE(gained());
  node.images = {"a"};
  EXPECT_FALSE(gained());
}

TEST(Cluster, disk_is_a_limit_only_where_it_is_known) {
  Cluster cluster(options(10, 20));
  NodeFacts node = facts(1000, 1000);
  cluster.upsert(NodeId("n"), node);
  Request request = ask(1);
  request.disk_bytes = 500;
  EXPECT_TRUE(cluster.place(request, kStart, 9).placed());
  node.allocatable_disk_bytes = 1000;
  node.unused_disk_bytes = 400;
  cluster.upsert(NodeId("n"), node);
  EXPECT_EQ(cluster.place(request, kStart, 9).refusals.at(0).rule, Rule::disk);
  node.unused_disk_bytes = 900;
  cluster.upsert(NodeId("n"), node);
  EXPECT_TRUE(cluster.place(request, kStart, 9).placed());
  Reservation other = hold(1);
  other.disk_bytes = 600;  // promised, not yet written
  cluster.reserve(NodeId("n"), other);
  EXPECT_EQ(cluster.place(request, kStart, 9).refusals.at(0).text, "node n: not enough disk: needs 500, has 400 free");
  request.disk_bytes = 0;
  EXPECT_TRUE(cluster.place(request, kStart, 9).placed());
}

TEST(Cluster, a_held_node_takes_its_holder_only) {
  Cluster cluster(options(10, 20));
  cluster.upsert(NodeId("a"), facts(1000, 1000));
  cluster.upsert(NodeId("b"), facts(2000, 2000));
  cluster.reserve(NodeId("a"), hold(900));
  cluster.reserve(NodeId("b"), hold(1900));
  EXPECT_EQ(cluster.nearest(ask(1500)), NodeId("b"));  // a is too small even when empty
  EXPECT_EQ(cluster.nearest(ask(2500)), std::nullopt);
  EXPECT_TRUE(cluster.could_take(NodeId("b"), ask(2000)));
  EXPECT_FALSE(cluster.could_take(NodeId("a"), ask(2000)));
  cluster.hold(NodeId("b"), true);
  EXPECT_EQ(cluster.nearest(ask(1500)), std::nullopt);
  cluster.release(NodeId("b"), hold(1900), kStart, true);
  EXPECT_EQ(cluster.place(ask(50), kStart, 9).node, NodeId("a"));
  EXPECT_EQ(cluster.place(ask(200), kStart, 9).refusals.at(1).rule, Rule::held);
  EXPECT_TRUE(cluster.fits_held(NodeId("b"), ask(1500), kStart));
  EXPECT_FALSE(cluster.fits_held(NodeId("b"), ask(2500), kStart));
  const std::uint64_t before = cluster.gains();
  cluster.hold(NodeId("b"), false);
  EXPECT_GT(cluster.gains(), before);
  EXPECT_EQ(cluster.place(ask(200), kStart, 9).node, NodeId("b"));
}

TEST(Cluster, the_nodes_that_have_the_image_are_found_among_many) {
  ClusterOptions with_image = options(10, 20);
  with_image.policy = parse_policy(R"({"scores": {"cpu_room": 1, "image": 1}, "candidates": 4})").value();
  Cluster cluster(with_image);
  for (int n = 0; n < 500; ++n) {
    NodeFacts node = facts(1000, 1000);
    if (n == 333) node.images = {"rare", "common"};
    cluster.upsert(NodeId("n" + std::to_string(n)), node);
  }
  cluster.reserve(NodeId("n333"), hold(500));
  Request request = ask(100);
  request.images = {"rare"};
  EXPECT_EQ(cluster.place(request, kStart, 0).node, NodeId("n333"));
  NodeFacts without = facts(1000, 1000);
  cluster.upsert(NodeId("n333"), without);
  EXPECT_NE(cluster.place(request, kStart, 0).node, NodeId("n333"));
}

TEST(Cluster, a_group_is_spread_over_failure_domains_and_nodes) {
  ClusterOptions spread = options(1000, 2000);
  spread.policy =
      parse_policy(R"({"scores": {"spread_domain": 20, "spread_node": 1}, "domain_label": "rack", "candidates": 4})")
          .value();
  Cluster cluster(spread);
  for (int n = 0; n < 400; ++n) {
    NodeFacts node = facts(1000, 1000);
    node.labels["rack"] = n < 397 ? "big" : "small" + std::to_string(n);
    cluster.upsert(NodeId("n" + std::to_string(n)), node);
  }
  Request request = ask(10);
  request.group = "g";
  std::map<std::string, int> racks;
  std::set<NodeId> used;
  for (int n = 0; n < 40; ++n) {
    const Decision decision = cluster.place(request, kStart, 0);
    ASSERT_TRUE(decision.placed());
    Reservation member = hold(10);
    member.group = "g";
    cluster.reserve(decision.node, member);
    used.insert(decision.node);
    const std::string& id = decision.node.str();
    ++racks[id == "n397" || id == "n398" || id == "n399" ? id : "big"];
  }
  for (const auto& [rack, count] : racks) EXPECT_EQ(count, 10) << rack;
  EXPECT_EQ(used.size(), 13U);
}

TEST(Cluster, assess_says_of_every_node_what_place_would) {
  Cluster cluster(options(10, 20));
  cluster.upsert(NodeId("b"), facts(1000, 1000));
  cluster.upsert(NodeId("a"), facts(100, 1000));
  const auto all = cluster.assess(ask(200), kStart);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].refusal->text, "node a: not enough cpu: needs 200m, has 100m free");
  EXPECT_FALSE(all[1].refusal);
  EXPECT_EQ(all[1].score, cluster.place(ask(200), kStart, 0).score);
  EXPECT_EQ(all[1].parts.at(0), std::pair(Score::cpu_room, 80));
}

}  // namespace
}  // namespace sandboxd::sched
