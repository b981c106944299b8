// The nodes as the scheduler sees them, kept up to date instead of copied for every placement.
//
// Answers what sched::place() answers for snapshot() (a property test compares them), but looks at nodes from the best
// score downwards and stops at the first that fits. A request that fitted nowhere is remembered until something that
// could help has changed, so that a long queue of equal requests costs one search.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"
#include "sched/ports.hpp"
#include "sched/score.hpp"
#include "sched/snapshot.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::sched {

struct ClusterOptions {
  PortRange ports;
};

// What is known of a node apart from what is reserved on it.
struct NodeFacts {
  bool ready = false;
  bool cordoned = false;
  model::Labels labels;
  std::int64_t allocatable_cpu_milli = 0;
  std::int64_t allocatable_memory_bytes = 0;

  friend bool operator==(const NodeFacts&, const NodeFacts&) = default;
};

struct Reservation {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
  std::vector<int> ports;

  friend bool operator==(const Reservation&, const Reservation&) = default;
};

class Cluster {
 public:
  explicit Cluster(ClusterOptions options) : options_(options) {}

  void upsert(const NodeId& id, const NodeFacts& facts);
  // Reservations on it stay known, should it come back.
  void erase(const NodeId& id);
  // Also for nodes that are not there (yet), and beyond what they have: the truth may be so.
  void reserve(const NodeId& id, const Reservation& reservation);
  void release(const NodeId& id, const Reservation& reservation, MonoTime now, bool quarantine);

  // The best node for `request`. Reserves nothing. `refusals_max`: how many nodes to explain when none fits.
  [[nodiscard]] Decision place(const Request& request, MonoTime now, std::size_t refusals_max);
  // Host ports on `id` for a request that place() put there.
  [[nodiscard]] std::optional<std::vector<int>> choose_ports(const NodeId& id, const Request& request, MonoTime now);

  // Grows when something changed that could let a refused request fit.
  [[nodiscard]] std::uint64_t gains() const { return gains_; }
  // When the next host port leaves its quarantine.
  [[nodiscard]] std::optional<MonoTime> next_port_expiry() const;
  void expire_ports(MonoTime now);

  [[nodiscard]] Snapshot snapshot() const;  // by id
  [[nodiscard]] std::size_t size() const { return known_; }
  [[nodiscard]] bool is_port_taken(const NodeId& id, int port) const;

 private:
  struct Entry {
    Entry(NodeId id, PortRange range) : ports(range) { view.id = std::move(id); }
    NodeView view;
    PortAllocator ports;
    std::int64_t reserved_cpu_milli = 0;
    std::int64_t reserved_memory_bytes = 0;
    std::size_t reservations = 0;
    bool known = false;  // false: only its reservations are
    int bucket = -1;     // in ranking_; -1: not a candidate
  };
  struct ById {
    bool operator()(const Entry* a, const Entry* b) const { return a->view.id < b->view.id; }
  };

  // Candidates by score, the best first.
  using Ranking = std::map<int, std::set<Entry*, ById>, std::greater<>>;
  using Label = std::pair<std::string, std::string>;

  Entry& entry(const NodeId& id);
  void refresh(Entry& node);
  void rank(Entry& node, int bucket);
  [[nodiscard]] const Ranking* ranking_for(const Request& request) const;
  void drop_if_unused(const NodeId& id);
  [[nodiscard]] std::optional<Rule> refused_by(const Entry& node, const Request& request) const;

  ClusterOptions options_;
  std::map<NodeId, std::unique_ptr<Entry>> entries_;
  Ranking ranking_;
  std::map<Label, Ranking> by_label_;  // the same for the nodes with a label, so that a selector skips the others
  std::size_t known_ = 0;
  std::uint64_t gains_ = 1;
  std::map<Request, std::uint64_t> hopeless_;            // request -> gains() at which it fitted nowhere
  std::set<std::pair<MonoTime, NodeId>> port_expiries_;  // at most one a node
};

}  // namespace sandboxd::sched
