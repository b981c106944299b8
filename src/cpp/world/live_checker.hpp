// Invariants that are checked as things happen, each at the cost of the one thing: they scale to any size and miss no
// turn. checkers.hpp compares whole states now and then.
//
// Fed with every change that the control plane tells its watchers, and with every create that reaches a node. One
// thread.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"
#include "orch/refs.hpp"
#include "orch/watch_hub.hpp"
#include "ports/store.hpp"
#include "world/ledger.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::world {

class LiveChecker {
 public:
  using Say = std::function<void(const std::string&)>;

  // `say` is called with everything that is wrong. `ledger` outlives this.
  LiveChecker(Say say, const Ledger& ledger) : say_(std::move(say)), ledger_(ledger) {}

  // Everything that a node can be asked to hold.
  void set_capacity(const NodeId& node, std::int64_t cpu_milli, std::int64_t memory_bytes);

  // A life of the control plane begins with what it loaded.
  void begin_life(const std::vector<orch::SandboxRef>& sandboxes, std::int64_t revision);
  // A watcher heard this. `durable`: the revision that a crash at this moment would leave.
  void hear(const orch::WatchEvent& event, std::int64_t durable, MonoTime now);
  // A create stands at a node's door, maybe long after it was sent. `is_durable`: the store has a sandbox of this uid.
  void arrive(const NodeId& node, const SandboxId& id, const std::string& uid, bool is_durable);

  [[nodiscard]] std::uint64_t placements() const { return placements_; }
  // Those that were refused for good, with or without waiting.
  [[nodiscard]] std::uint64_t given_up() const { return given_up_; }
  // From accepted to Running, of every life that got there in one life of the control plane.
  [[nodiscard]] const std::vector<Duration>& running_times() const { return running_times_; }
  // CPU promised per node, in permille of what it has, in the order of ids.
  [[nodiscard]] std::vector<std::int64_t> cpu_permille() const;
  // The most that one node has left.
  [[nodiscard]] std::int64_t cpu_free_max_milli() const;

 private:
  struct NodeBooks {
    std::int64_t cpu_milli = 0;
    std::int64_t memory_bytes = 0;
    std::int64_t promised_cpu_milli = 0;
    std::int64_t promised_memory_bytes = 0;
    std::string boot_id;
    std::set<std::string> former_boot_ids;
  };

  void check_move(const orch::WatchEvent& event);
  void check_node(const model::Node& node);
  void check_gone(const model::Sandbox& sandbox);
  void measure(const model::Sandbox& sandbox, MonoTime now);
  void replace(const orch::SandboxRef& before, const orch::SandboxRef& after);
  void add(const model::Sandbox& sandbox);
  void subtract(const model::Sandbox& sandbox);

  Say say_;
  const Ledger& ledger_;
  std::map<NodeId, NodeBooks> nodes_;
  std::map<SandboxId, orch::SandboxRef> known_;
  std::map<std::pair<NodeId, int>, SandboxId> ports_;
  std::map<std::string, NodeId> went_to_;  // by uid: the one node that was asked to run it
  std::set<SandboxId> counted_;            // in what their node is promised
  std::set<std::string> told_;             // every uid that was ever heard of
  std::map<std::string, MonoTime> accepted_at_;
  std::int64_t last_ = 0;
  std::uint64_t placements_ = 0;
  std::uint64_t given_up_ = 0;
  std::vector<Duration> running_times_;
};

}  // namespace sandboxd::world
