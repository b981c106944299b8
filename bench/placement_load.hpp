// What placements.cpp places: a heterogeneous cluster and requests from a seed; and a ledger that checks decisions and
// shares no code with the scheduler.
#pragma once

#include "base/random.hpp"
#include "sched/cluster.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::bench {

inline constexpr std::int64_t kMib = std::int64_t{1} << 20;

inline std::string numbered(const char* prefix, std::uint64_t number) { return prefix + std::to_string(number); }

// Most draws are small numbers.
inline std::uint64_t skewed(Random& random, std::uint64_t bound) { return random.below(1 + random.below(bound)); }

inline sched::NodeFacts make_node(Random& random, std::uint64_t number) {
  static constexpr std::int64_t kCores[] = {2, 4, 8, 16, 32, 64, 96};
  static constexpr std::int64_t kGibPerCore[] = {2, 4, 8};
  sched::NodeFacts facts;
  facts.ready = random.chance(980);
  facts.cordoned = random.chance(20);
  const std::int64_t cores = kCores[random.below(std::size(kCores))];
  facts.allocatable_cpu_milli = cores * 900;
  facts.allocatable_memory_bytes = cores * kGibPerCore[random.below(std::size(kGibPerCore))] * 920 * kMib;
  facts.allocatable_disk_bytes = cores * 20 * 1024 * kMib;
  facts.unused_disk_bytes = facts.allocatable_disk_bytes;
  facts.labels["zone"] = numbered("zone-", random.below(3));
  facts.labels["pool"] = numbered("pool-", random.below(8));
  facts.labels["disk"] = random.chance(600) ? "ssd" : "hdd";
  facts.labels["arch"] = random.chance(900) ? "amd64" : "arm64";
  facts.labels["hostname"] = numbered("node-", number);
  std::set<std::string> images;
  for (std::uint64_t n = random.below(30); n > 0; --n) images.insert(numbered("image-", skewed(random, 200)));
  facts.images.assign(images.begin(), images.end());
  return facts;
}

inline sched::Request make_request(Random& random) {
  static constexpr std::int64_t kCpu[] = {100, 200, 250, 500, 500, 1000, 2000, 4000};
  static constexpr std::int64_t kMemory[] = {128, 256, 512, 512, 1024, 2048, 4096, 8192};
  sched::Request request;
  request.cpu_milli = kCpu[random.below(std::size(kCpu))];
  request.memory_bytes = kMemory[random.below(std::size(kMemory))] * kMib;
  if (random.chance(200)) request.disk_bytes = static_cast<std::int64_t>(1 + random.below(8)) * 1024 * kMib;
  if (random.chance(250)) request.selector["zone"] = numbered("zone-", random.below(3));
  if (random.chance(150)) request.selector["disk"] = "ssd";
  if (random.chance(100)) request.selector["arch"] = random.chance(800) ? "amd64" : "arm64";
  if (random.chance(100)) request.selector["pool"] = numbered("pool-", random.below(8));
  if (random.chance(600)) request.host_ports.assign(1 + random.below(3), 0);
  request.images = {numbered("image-", skewed(random, 200))};
  request.group = numbered("owner-", skewed(random, 500));
  return request;
}

// What happened, in order.
struct Deed {
  bool placed = false;  // else released
  std::uint32_t node = 0;
  const sched::Request* request = nullptr;
  sched::Reservation reservation;
};

class Ledger {
 public:
  explicit Ledger(std::vector<sched::NodeFacts> nodes) : nodes_(std::move(nodes)), used_(nodes_.size()) {}

  void apply(const Deed& deed) {
    const sched::NodeFacts& node = nodes_[deed.node];
    Used& used = used_[deed.node];
    const std::int64_t sign = deed.placed ? 1 : -1;
    used.cpu += sign * deed.reservation.cpu_milli;
    used.memory += sign * deed.reservation.memory_bytes;
    used.disk += sign * deed.reservation.disk_bytes;
    for (const int port : deed.reservation.ports) {
      if (deed.placed) {
        require(port >= 10000 && port <= 32767, "a port outside the range");
        require(used.ports.insert(port).second, "a port was given twice");
      } else {
        used.ports.erase(port);
      }
    }
    if (!deed.placed) return;
    const sched::Request& request = *deed.request;
    require(deed.reservation.cpu_milli == request.cpu_milli && deed.reservation.memory_bytes == request.memory_bytes &&
                deed.reservation.disk_bytes == request.disk_bytes &&
                deed.reservation.ports.size() == request.host_ports.size(),
            "something else than asked was reserved");
    require(node.ready && !node.cordoned, "a node that takes nothing");
    require(used.cpu <= node.allocatable_cpu_milli, "too much cpu");
    require(used.memory <= node.allocatable_memory_bytes, "too much memory");
    require(used.disk <= node.allocatable_disk_bytes, "too much disk");
    for (const auto& [key, value] : request.selector)
      require(node.labels.at(key) == value, "a label that was not asked for");
    ++checked_;
  }

  // Per cent of the CPU of all nodes that is reserved.
  [[nodiscard]] double fill() const {
    double used = 0;
    double all = 0;
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      used += static_cast<double>(used_[n].cpu);
      all += static_cast<double>(nodes_[n].allocatable_cpu_milli);
    }
    return 100 * used / all;
  }
  [[nodiscard]] std::uint64_t checked() const { return checked_; }

 private:
  struct Used {
    std::int64_t cpu = 0;
    std::int64_t memory = 0;
    std::int64_t disk = 0;
    std::set<int> ports;
  };
  static void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "placements: the ledger refuses a decision: %s\n", what);
    std::exit(1);
  }

  std::vector<sched::NodeFacts> nodes_;
  std::vector<Used> used_;
  std::uint64_t checked_ = 0;
};

}  // namespace sandboxd::bench
