#include "sched/cluster.hpp"

#include "base/random.hpp"
#include "sched/scheduler.hpp"

#include <gtest/gtest.h>

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

// The index and the plain function agree on random clusters under random load.
TEST(Cluster, answers_what_the_plain_scheduler_answers) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Cluster cluster(options(100, 130));
    std::vector<std::pair<NodeId, Reservation>> held;
    MonoTime now = kStart;
    for (int n = 0; n < 300; ++n) {
      now = now + std::chrono::milliseconds(random.below(500));
      const NodeId id("n" + std::to_string(random.below(12)));
      const std::uint64_t dice = random.below(10);
      if (dice < 2) {
        NodeFacts node = facts(static_cast<std::int64_t>(random.below(4000)), 4000);
        node.ready = random.chance(900);
        node.cordoned = random.chance(100);
        node.labels["zone"] = random.chance(500) ? "a" : "b";
        cluster.upsert(id, node);
      } else if (dice < 3 && !held.empty()) {
        const auto [node, reservation] = held.back();
        held.pop_back();
        cluster.release(node, reservation, now, true);
      } else {
        Request wants = ask(static_cast<std::int64_t>(random.below(900)));
        wants.host_ports.assign(random.below(4), 0);
        if (random.chance(300)) wants.selector["zone"] = "a";
        cluster.expire_ports(now);
        const Decision plain = place(cluster.snapshot(), wants);
        const Decision indexed = cluster.place(wants, now, 1000);
        ASSERT_EQ(indexed.node, plain.node) << "seed " << seed << " step " << n;
        ASSERT_EQ(indexed.refusals.size(), plain.refusals.size());
        if (!indexed.placed()) continue;
        EXPECT_EQ(indexed.score, plain.score);
        auto ports = cluster.choose_ports(indexed.node, wants, now);
        ASSERT_TRUE(ports);
        held.emplace_back(indexed.node, hold(wants.cpu_milli, *ports));
        cluster.reserve(indexed.node, held.back().second);
      }
    }
  }
}

}  // namespace
}  // namespace sandboxd::sched
