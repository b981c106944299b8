// The nodes as the scheduler sees them, kept up to date instead of copied for every placement.
//
// A search is exact about whether something fits: it looks at every node that could. Which of those wins is decided
// among the first `candidates` of the policy in falling promise, with some from the nodes that have the images and from
// the emptiest failure domains; with candidates = 0 among all. Ties break by id. A request that fitted nowhere is
// remembered until something that could help has changed, so that a long queue of equal requests costs one search.
//
// One thread. Copies are independent: that is how what-if works.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"
#include "sched/interner.hpp"
#include "sched/ports.hpp"
#include "sched/row.hpp"
#include "sched/score.hpp"
#include "sched/score_index.hpp"
#include "sched/snapshot.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sandboxd::sched {

struct ClusterOptions {
  PortRange ports;
  Policy policy = built_in_policies().front();
  std::uint64_t seed = 0;  // of the order in which host ports are given out
};

// What is known of a node apart from what is reserved on it.
struct NodeFacts {
  bool ready = false;
  bool cordoned = false;
  model::Labels labels;
  std::int64_t allocatable_cpu_milli = 0;
  std::int64_t allocatable_memory_bytes = 0;
  std::int64_t allocatable_disk_bytes = 0;  // 0: not known, so not a limit
  std::int64_t unused_disk_bytes = 0;       // what the node still finds free, whoever uses the rest
  std::vector<std::string> images;

  friend bool operator==(const NodeFacts&, const NodeFacts&) = default;
};

struct Reservation {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t disk_bytes = 0;
  std::vector<int> ports;
  std::string group;  // empty: counts for none

  friend bool operator==(const Reservation&, const Reservation&) = default;
};

class Cluster {
 public:
  explicit Cluster(ClusterOptions options);

  void upsert(const NodeId& id, const NodeFacts& facts);
  // Reservations on it stay known, should it come back.
  void erase(const NodeId& id);
  // Also for nodes that are not there (yet), and beyond what they have: the truth may be so.
  void reserve(const NodeId& id, const Reservation& reservation);
  void release(const NodeId& id, const Reservation& reservation, MonoTime now, bool quarantine);

  // Where to put `request`. Reserves nothing. `refusals_max`: how many nodes to explain when none fits.
  [[nodiscard]] Decision place(const Request& request, MonoTime now, std::size_t refusals_max);
  // Host ports on `id` for a request that place() put there.
  [[nodiscard]] std::optional<std::vector<int>> choose_ports(const NodeId& id, const Request& request, MonoTime now);
  // Every node, by id.
  [[nodiscard]] std::vector<Assessment> assess(const Request& request, MonoTime now);

  // A held node takes nothing but what its holder puts there by itself, after fits_held() said that it fits.
  void hold(const NodeId& id, bool held);
  [[nodiscard]] bool fits_held(const NodeId& id, const Request& request, MonoTime now);
  // The node that lacks least for `request` and would have room if it were empty; not one that is held. Looks at all.
  [[nodiscard]] std::optional<NodeId> nearest(const Request& request) const;
  // Whether `id` would do for nearest().
  [[nodiscard]] bool could_take(const NodeId& id, const Request& request) const;

  // Grows when something changed that could let a refused request fit.
  [[nodiscard]] std::uint64_t gains() const { return gains_; }
  // When the next host port leaves its quarantine.
  [[nodiscard]] std::optional<MonoTime> next_port_expiry() const;
  void expire_ports(MonoTime now);

  [[nodiscard]] Snapshot snapshot() const;  // by id
  [[nodiscard]] std::size_t size() const { return known_; }
  [[nodiscard]] bool is_port_taken(const NodeId& id, int port) const;
  [[nodiscard]] const Policy& policy() const { return options_.policy; }

 private:
  struct Node {
    NodeId id;
    NodeFacts facts;
    std::int64_t reserved_cpu_milli = 0;
    std::int64_t reserved_memory_bytes = 0;
    std::int64_t reserved_disk_bytes = 0;
    std::size_t reservations = 0;
    bool known = false;  // false: only its reservations are
    Cell cell = kNoCell;
    ScoreIndex::Member member = 0;                // of all_
    std::vector<ScoreIndex::Member> memberships;  // of by_label_[row.labels[n]]
  };
  struct Best {
    Slot slot = kNoSlot;
    int sum = -1;
  };
  static constexpr Slot kNoSlot = UINT32_MAX;

  Slot slot_for(const NodeId& id);  // made when it is not there
  [[nodiscard]] Slot find(const NodeId& id) const;
  void drop_if_unused(Slot slot);
  void refresh(Slot slot);
  void set_labels(Slot slot, const model::Labels& labels);
  void set_images(Slot slot, const std::vector<std::string>& images);
  void count_group(Slot slot, std::uint32_t group, std::int64_t by);
  void count_domain(std::uint32_t group, std::uint32_t domain, std::int64_t by);

  const Ask& resolve(const Request& request);
  void resolve_selector(const Request& request, Ask& ask) const;
  [[nodiscard]] bool has_room_when_empty(Slot slot, const Request& request, const Ask& ask) const;
  void search(const Ask& ask, Best& best);
  void look_where_images_are(const Ask& ask, Best& best);
  void look_in_empty_domains(const Ask& ask, Shelves shelves, Best& best);
  void consider(Slot slot, const Ask& ask, Best& best) const;
  void explain_all(const Request& request, const Ask& ask, std::size_t limit, std::vector<Refusal>& out) const;
  [[nodiscard]] NodeView view_of(Slot slot) const;

  ClusterOptions options_;
  Scorer scorer_;
  std::vector<Rule> rules_;
  bool counts_domains_ = false;

  std::vector<Row> rows_;  // by slot, as nodes_
  std::vector<Node> nodes_;
  std::vector<Slot> unused_slots_;
  std::map<NodeId, Slot> by_id_;
  std::unordered_map<NodeId, Slot> slots_;

  Interner labels_;  // key, a zero byte, value
  Interner images_;
  Interner groups_;
  ScoreIndex all_;
  std::vector<ScoreIndex> by_label_;           // by number of the label
  std::vector<std::vector<Slot>> by_image_;    // by number of the image
  std::vector<std::uint32_t> domains_;         // labels with the policy's key that some node has
  std::vector<std::vector<Count>> in_domain_;  // by number of the group: sandboxes by failure domain
  std::size_t image_turn_ = 0;

  std::size_t known_ = 0;
  std::uint64_t gains_ = 1;
  std::map<Request, std::uint64_t> hopeless_;          // request -> gains() at which it fitted nowhere
  std::set<std::pair<MonoTime, Slot>> port_expiries_;  // at most one a node
  Ask ask_;                                            // of the request in hand; kept for its memory
};

}  // namespace sandboxd::sched
