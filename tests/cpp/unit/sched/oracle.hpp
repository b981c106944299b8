// The scheduler's rules a second time, written plainly over maps and texts, to check the fast one against.
#pragma once

#include "base/random.hpp"
#include "sched/cluster.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::sched::test {

struct OracleNode {
  NodeFacts facts;
  bool there = false;
  std::int64_t cpu = 0;  // reserved
  std::int64_t memory = 0;
  std::int64_t disk = 0;
  std::set<int> ports;  // reserved or in quarantine
  std::map<std::string, int> groups;
};

class Oracle {
 public:
  Oracle(PortRange range, Policy policy) : range_(range), policy_(std::move(policy)) {}

  std::map<NodeId, OracleNode> nodes;

  [[nodiscard]] static bool is_meant(const NodeId& id, const Request& request) {
    const auto& meant = request.nodes;
    return meant.empty() || std::find(meant.begin(), meant.end(), id) != meant.end();
  }

  [[nodiscard]] bool fits(const OracleNode& node, const Request& request) const {
    if (!node.there || !node.facts.ready || node.facts.cordoned) return false;
    for (const auto& [key, value] : request.selector) {
      const auto label = node.facts.labels.find(key);
      if (label == node.facts.labels.end() || label->second != value) return false;
    }
    if (node.facts.allocatable_cpu_milli - node.cpu < request.cpu_milli) return false;
    if (node.facts.allocatable_memory_bytes - node.memory < request.memory_bytes) return false;
    if (request.disk_bytes > 0 && node.facts.allocatable_disk_bytes != 0) {
      if (node.facts.allocatable_disk_bytes - node.disk < request.disk_bytes) return false;
      if (node.facts.unused_disk_bytes < request.disk_bytes) return false;
    }
    std::set<int> wanted;
    int from_range = 0;
    for (const int port : request.host_ports) {
      if (port != 0 && (node.ports.contains(port) || !wanted.insert(port).second)) return false;
      if (port == 0 || (port >= range_.first && port <= range_.last)) ++from_range;
    }
    int free = range_.last - range_.first + 1;
    for (const int port : node.ports) free -= port >= range_.first && port <= range_.last ? 1 : 0;
    return from_range <= free;
  }

  // The weighted mean, rounded down; doubles are as exact as needed for such small numbers.
  [[nodiscard]] int score(const OracleNode& node, const Request& request) const {
    int sum = 0;
    int total = 0;
    for (const auto& [score, weight] : policy_.scores) {
      sum += weight * points(score, node, request);
      total += weight;
    }
    return sum / total;
  }

  [[nodiscard]] int points(Score score, const OracleNode& node, const Request& request) const {
    const int cpu =
        percent(node.facts.allocatable_cpu_milli - node.cpu - request.cpu_milli, node.facts.allocatable_cpu_milli);
    const int memory = percent(node.facts.allocatable_memory_bytes - node.memory - request.memory_bytes,
                               node.facts.allocatable_memory_bytes);
    switch (score) {
      case Score::cpu_room: return cpu;
      case Score::memory_room: return memory;
      case Score::cpu_fill: return 100 - cpu;
      case Score::memory_fill: return 100 - memory;
      case Score::balance: return 100 - (cpu > memory ? cpu - memory : memory - cpu);
      case Score::image: return image(node, request);
      case Score::spread_node: return 100 / (1 + std::min(100, in_group(node, request)));
      case Score::spread_domain: return domain(node, request);
    }
    return 0;
  }

 private:
  static int percent(std::int64_t part, std::int64_t whole) {
    return whole <= 0 || part <= 0 ? 0 : static_cast<int>(part * 100 / whole);
  }
  static int image(const OracleNode& node, const Request& request) {
    if (request.images.empty()) return 100;
    int there = 0;
    for (const std::string& wanted : request.images) {
      const auto& images = node.facts.images;
      there += std::find(images.begin(), images.end(), wanted) != images.end() ? 1 : 0;
    }
    return there * 100 / static_cast<int>(request.images.size());
  }
  static int in_group(const OracleNode& node, const Request& request) {
    const auto found = node.groups.find(request.group);
    return request.group.empty() || found == node.groups.end() ? 0 : found->second;
  }
  [[nodiscard]] std::string domain_of(const OracleNode& node) const {
    const auto label = node.facts.labels.find(policy_.domain_label);
    return !node.there || label == node.facts.labels.end() ? "" : "=" + label->second;
  }
  [[nodiscard]] int domain(const OracleNode& node, const Request& request) const {
    std::map<std::string, int> counts;
    int most = 0;
    for (const auto& [id, other] : nodes) {
      int& count = counts[domain_of(other)];
      count += in_group(other, request);
      most = std::max(most, count);
    }
    int least = most;
    for (const auto& [domain, count] : counts) {
      if (!domain.empty()) least = std::min(least, count);
    }
    return most == 0 ? 100 : 100 - percent(counts[domain_of(node)] - least, most);
  }

  PortRange range_;
  Policy policy_;
};

}  // namespace sandboxd::sched::test
