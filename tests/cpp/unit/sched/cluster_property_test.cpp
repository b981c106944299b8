// Random clusters under random load: the index against the plain rules of oracle.hpp.
#include "oracle.hpp"
#include "sched/cluster.hpp"

#include <gtest/gtest.h>

namespace sandboxd::sched {
namespace {

using test::OracleNode;

constexpr MonoTime kStart{1'000'000'000};

class RandomCluster {
 public:
  RandomCluster(std::uint64_t seed, Policy policy, int nodes)
      : random_(seed), nodes_(nodes), cluster_(options(policy)), oracle_(options(policy).ports, policy) {}

  void step() {
    now_ = now_ + std::chrono::milliseconds(random_.below(400));
    expire();
    const std::uint64_t dice = random_.below(20);
    if (dice < 3) return change_node();
    if (dice == 3) return erase_node();
    if (dice < 8 && !held_.empty()) return release();
    place();
  }
  int placed = 0;
  int refused = 0;
  std::int64_t score_sum = 0;  // of what was chosen, and of the best there was
  std::int64_t best_sum = 0;

 private:
  static ClusterOptions options(const Policy& policy) {
    ClusterOptions out;
    out.ports.first = 100;
    out.ports.last = 120;
    out.ports.quarantine = std::chrono::seconds(2);
    out.policy = policy;
    return out;
  }
  std::string pick(const char* prefix, std::uint64_t count) { return prefix + std::to_string(random_.below(count)); }
  NodeId any_node() { return NodeId(pick("n", static_cast<std::uint64_t>(nodes_))); }

  void change_node() {
    const NodeId id = any_node();
    NodeFacts facts;
    facts.ready = random_.chance(900);
    facts.cordoned = random_.chance(100);
    facts.allocatable_cpu_milli = static_cast<std::int64_t>(random_.below(9)) * 500;
    facts.allocatable_memory_bytes = static_cast<std::int64_t>(random_.below(9)) << 29;
    if (random_.chance(500)) {
      facts.allocatable_disk_bytes = static_cast<std::int64_t>(1 + random_.below(1000));
      facts.unused_disk_bytes = static_cast<std::int64_t>(random_.below(1000));
    }
    if (random_.chance(800)) facts.labels["zone"] = pick("z", 3);
    if (random_.chance(500)) facts.labels["disk"] = pick("d", 2);
    for (std::uint64_t n = random_.below(4); n > 0; --n) facts.images.push_back(pick("image", 5));
    oracle_.nodes[id].facts = facts;
    oracle_.nodes[id].there = true;
    cluster_.upsert(id, facts);
  }

  void erase_node() {
    const NodeId id = any_node();
    const auto found = oracle_.nodes.find(id);
    if (found == oracle_.nodes.end()) return;
    found->second.there = false;
    cluster_.erase(id);
    std::erase_if(quarantined_, [&](const auto& item) {
      if (item.second.first != id || !found->second.groups.empty()) return false;
      // A node without anything on it is forgotten with its quarantines.
      found->second.ports.erase(item.second.second);
      return true;
    });
  }

  Request any_request() {
    Request out;
    out.cpu_milli = static_cast<std::int64_t>(random_.below(8)) * 100;
    out.memory_bytes = static_cast<std::int64_t>(random_.below(8)) << 27;
    if (random_.chance(300)) out.disk_bytes = static_cast<std::int64_t>(random_.below(300));
    if (random_.chance(300)) out.selector["zone"] = pick("z", 4);
    if (random_.chance(200)) out.selector["disk"] = pick("d", 2);
    for (std::size_t n = random_.chance(200) ? 1 + random_.below(4) : 0; n > 0; --n) out.nodes.push_back(any_node());
    out.host_ports.assign(random_.below(4), 0);
    if (random_.chance(200)) out.host_ports.push_back(static_cast<int>(95 + random_.below(30)));
    if (random_.chance(700)) out.images.push_back(pick("image", 6));
    out.group = pick("g", 4);
    return out;
  }

  void place() {
    const Request request = any_request();
    int best = -1;
    std::set<NodeId> fitting;
    for (const auto& [id, node] : oracle_.nodes) {
      if (!oracle_.is_meant(id, request) || !oracle_.fits(node, request)) continue;
      fitting.insert(id);
      best = std::max(best, oracle_.score(node, request));
    }
    const Decision decision = cluster_.place(request, now_, 1000);
    ASSERT_EQ(decision.placed(), !fitting.empty())
        << testing::PrintToString(lines_of(decision.refusals, cluster_.size())) << fitting.begin()->str();
    if (!decision.placed()) {
      ++refused;
      ASSERT_EQ(decision.refusals.size(), cluster_.size());
      return;
    }
    ASSERT_TRUE(fitting.contains(decision.node)) << decision.node.str();
    OracleNode& node = oracle_.nodes[decision.node];
    ASSERT_EQ(decision.score, oracle_.score(node, request));
    ASSERT_LE(decision.score, best);
    ++placed;
    score_sum += decision.score;
    best_sum += best;
    reserve(decision.node, node, request);
  }

  void reserve(const NodeId& id, OracleNode& node, const Request& request) {
    const auto ports = cluster_.choose_ports(id, request, now_);
    ASSERT_TRUE(ports);
    ASSERT_EQ(ports->size(), request.host_ports.size());
    for (std::size_t n = 0; n < ports->size(); ++n) {
      const int port = (*ports)[n];
      ASSERT_TRUE(node.ports.insert(port).second) << "port " << port << " was taken";
      if (request.host_ports[n] != 0) {
        ASSERT_EQ(port, request.host_ports[n]);
      } else {
        ASSERT_TRUE(port >= 100 && port <= 120);
      }
    }
    Reservation reservation{request.cpu_milli, request.memory_bytes, request.disk_bytes, *ports, request.group};
    cluster_.reserve(id, reservation);
    node.cpu += reservation.cpu_milli;
    node.memory += reservation.memory_bytes;
    node.disk += reservation.disk_bytes;
    ++node.groups[request.group];
    held_.emplace_back(id, std::move(reservation));
  }

  void release() {
    const std::size_t at = random_.below(held_.size());
    const auto [id, reservation] = held_[at];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
    const bool quarantine = random_.chance(700);
    OracleNode& node = oracle_.nodes[id];
    node.cpu -= reservation.cpu_milli;
    node.memory -= reservation.memory_bytes;
    node.disk -= reservation.disk_bytes;
    if (--node.groups[reservation.group] == 0) node.groups.erase(reservation.group);
    const bool forgotten = !node.there && node.groups.empty();
    for (const int port : reservation.ports) {
      if (quarantine && !forgotten) {
        quarantined_.emplace(now_ + std::chrono::seconds(2), std::pair(id, port));
      } else {
        node.ports.erase(port);
      }
    }
    if (forgotten) {
      node.ports.clear();
      std::erase_if(quarantined_, [&](const auto& item) { return item.second.first == id; });
    }
    cluster_.release(id, reservation, now_, quarantine);
  }

  void expire() {
    while (!quarantined_.empty() && quarantined_.begin()->first <= now_) {
      const auto [id, port] = quarantined_.begin()->second;
      oracle_.nodes[id].ports.erase(port);
      quarantined_.erase(quarantined_.begin());
    }
  }

  Random random_;
  int nodes_;
  Cluster cluster_;
  test::Oracle oracle_;
  MonoTime now_ = kStart;
  std::vector<std::pair<NodeId, Reservation>> held_;
  std::multimap<MonoTime, std::pair<NodeId, int>> quarantined_;
};

Policy with(const char* name, int candidates) {
  Policy policy = parse_policy(name).value();
  policy.candidates = candidates;
  return policy;
}

void run(const Policy& policy, int nodes, int steps, int least_quality) {
  int placed = 0;
  int refused = 0;
  std::int64_t chosen = 0;
  std::int64_t best = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    RandomCluster cluster(seed, policy, nodes);
    for (int n = 0; n < steps; ++n) {
      cluster.step();
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << policy.name << ", seed " << seed << ", step " << n;
    }
    placed += cluster.placed;
    refused += cluster.refused;
    chosen += cluster.score_sum;
    best += cluster.best_sum;
  }
  EXPECT_GT(placed, steps);
  EXPECT_GT(refused, steps / 10);
  EXPECT_GE(chosen * 100, best * least_quality) << chosen << " of " << best;
}

TEST(ClusterProperty, comparing_all_chooses_the_best_that_plain_rules_find) {
  for (const Policy& policy : built_in_policies()) run(with(policy.name.c_str(), 0), 12, 400, 100);
}

// Enough nodes for the lists to be ordered.
TEST(ClusterProperty, comparing_some_is_exact_about_feasibility_and_nearly_the_best) {
  for (const Policy& policy : built_in_policies()) run(with(policy.name.c_str(), 4), 150, 600, 95);
}

TEST(ClusterProperty, a_copy_decides_as_the_original_and_leaves_it_alone) {
  Cluster cluster(ClusterOptions{});
  for (int n = 0; n < 200; ++n) {
    NodeFacts facts;
    facts.ready = true;
    facts.allocatable_cpu_milli = 4000;
    facts.allocatable_memory_bytes = std::int64_t{8} << 30;
    facts.labels["zone"] = n % 2 == 0 ? "a" : "b";
    cluster.upsert(NodeId("n" + std::to_string(n)), facts);
  }
  Request request;
  request.cpu_milli = 500;
  request.host_ports = {0};
  request.group = "g";
  const auto play = [&](Cluster& on) {
    std::string text;
    for (int n = 0; n < 50; ++n) {
      const Decision decision = on.place(request, kStart, 0);
      const auto ports = on.choose_ports(decision.node, request, kStart).value();
      on.reserve(decision.node, {request.cpu_milli, 0, 0, ports, "g"});
      text += decision.node.str() + ":" + std::to_string(ports[0]) + " ";
    }
    return text;
  };
  Cluster copy = cluster;
  const std::string first = play(copy);
  EXPECT_EQ(cluster.snapshot().nodes[0].groups.size(), 0U);
  EXPECT_EQ(play(cluster), first);
}

}  // namespace
}  // namespace sandboxd::sched
