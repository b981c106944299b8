// The truth of the control plane: sandboxes and nodes in memory, their indexes, and the log of the turn in hand.
//
// Changes happen only inside a turn (begin ... accept or undo). Each is recorded twice: as what the store must learn,
// and as the version to go back to. Nobody outside the engine sees a change before accept(). Owned by the engine, on
// the core thread; reads no clock.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "orch/kept_answers.hpp"
#include "orch/refs.hpp"
#include "orch/waits.hpp"
#include "orch/watch_hub.hpp"
#include "ports/node_transport.hpp"
#include "ports/store.hpp"
#include "sched/cluster.hpp"
#include "sched/queue.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sandboxd::orch {

// What is to be done outside once the turn is durable.
struct SendCreate {
  SandboxRef sandbox;
};
struct SendRemove {
  SandboxId id;
  std::string uid;  // of the life that goes
  NodeId node;
};
struct SendLife {  // pause, resume, stop or start
  SandboxId id;
  std::string uid;
  NodeId node;
  ports::LifeVerb verb = ports::LifeVerb::stop;
  std::int64_t order = 0;  // grows from wish to wish: a late call of an earlier one has no effect
};
struct CancelRemove {  // a remove that has not begun is not wanted any more
  SandboxId id;
  std::string uid;
  NodeId node;
};
struct SendReconcile {
  NodeId node;
};
struct LinkKnown {  // how this node is spoken to
  NodeId node;
  bool polled = false;
};
struct OpenNode {  // keep a watch stream to this address (again, when it changed)
  NodeId node;
  model::NodeAddress address;
};
struct CloseNode {
  NodeId node;
};
using Effect =
    std::variant<SendCreate, SendRemove, SendLife, CancelRemove, SendReconcile, LinkKnown, OpenNode, CloseNode>;

// A turn's outcome: released only after the store has it.
struct Released {
  std::vector<WatchEvent> events;
  std::vector<Effect> effects;
};

class State {
 public:
  // `failed_retention`: how long a failed sandbox is kept; 0: until somebody deletes it.
  State(sched::ClusterOptions options, Duration failed_retention)
      : cluster_(std::move(options)), failed_retention_(failed_retention) {}

  // Fills an empty state from the store. `wall` and `mono`: now.
  void load(ports::StoreContents contents, WallTime wall, MonoTime mono);

  // Reading. The versions are the newest, also within a turn.
  [[nodiscard]] SandboxRef find(const SandboxId& id) const;  // nullptr: unknown
  [[nodiscard]] NodeRef find_node(const NodeId& id) const;
  [[nodiscard]] const std::map<SandboxId, SandboxRef>& sandboxes() const { return sandboxes_; }
  [[nodiscard]] const std::map<NodeId, NodeRef>& nodes() const { return nodes_; }
  // Those whose record names this node, in any phase.
  [[nodiscard]] const std::set<SandboxId>& on_node(const NodeId& id) const;
  // What they reserve there together.
  struct Promised {
    std::int64_t cpu_milli = 0;
    std::int64_t memory_bytes = 0;
  };
  [[nodiscard]] Promised promised_on(const NodeId& id) const;
  // In the order of lists: by creation, then id.
  using Age = std::pair<WallTime, SandboxId>;
  [[nodiscard]] const std::map<Age, SandboxRef>& by_age() const { return by_age_; }
  // The nodes that an External is bound to, by its id.
  [[nodiscard]] const std::map<std::string, NodeId>& externals() const { return externals_; }
  [[nodiscard]] KeptAnswers& answers() { return answers_; }
  // nullptr: none of this owner has the name.
  [[nodiscard]] SandboxRef find_named(const std::string& owner, const std::string& name) const;
  // The sandboxes of this name: at most one of each owner.
  [[nodiscard]] std::vector<SandboxRef> named(const std::string& name) const;
  [[nodiscard]] bool name_taken(const std::string& owner, const std::string& name) const;
  // How many sandboxes are in this phase.
  [[nodiscard]] std::size_t count(model::Phase phase) const;
  [[nodiscard]] std::int64_t revision() const { return revision_; }
  [[nodiscard]] sched::Cluster& cluster() { return cluster_; }
  [[nodiscard]] const sched::Cluster& cluster() const { return cluster_; }
  [[nodiscard]] sched::PendingQueue& queue() { return queue_; }
  [[nodiscard]] const sched::PendingQueue& queue() const { return queue_; }
  // Since when a pending, scheduled or creating one has been on its way. Not by the wall clock, whose jumps would make
  // it wait longer or shorter.
  [[nodiscard]] MonoTime waits_since(const model::Sandbox& sandbox) const;
  // The next sandbox whose time is over, by its time to live or as a failed one that was kept long enough.
  [[nodiscard]] std::optional<std::pair<WallTime, SandboxId>> next_expiry() const;

  // A node that has reported to this process. A state that was only loaded may be long out of date, so the scheduler
  // does not trust it before. Not undone: it was heard, whether or not it could be stored.
  [[nodiscard]] bool is_confirmed(const NodeId& id) const;
  void confirm(const NodeId& id);
  // What others use on a node, by its last report: not to be given away. Volatile, as the report is.
  void set_foreign(const NodeId& id, sched::Reservation foreign);
  [[nodiscard]] bool has_foreign(const NodeId& id) const { return foreign_.contains(id); }

  // Its record was damaged: this is what stands in its place (ports/damaged_record.hpp). What its node has is nobody's
  // to take away, other than by deleting it.
  [[nodiscard]] bool is_stand_in(const model::Sandbox& sandbox) const;
  // There is a damaged record of which sandbox nobody can tell: any that is not known may be the one.
  [[nodiscard]] bool lacks_sandboxes() const { return damaged_.nameless > 0; }
  // Damaged records, for as long as their objects are here.
  [[nodiscard]] std::size_t damaged_sandboxes() const;
  [[nodiscard]] std::size_t damaged_nodes() const;

  // A turn.
  void begin(WallTime wall, MonoTime mono);
  [[nodiscard]] WallTime wall_now() const { return wall_; }
  [[nodiscard]] MonoTime mono_now() const { return mono_; }
  // Stamp `revision` and `updated_at`, and record an event. `created_at` is the caller's.
  SandboxRef put(model::Sandbox sandbox);
  void erase(const SandboxId& id);
  NodeRef put_node(model::Node node);
  void erase_node(const NodeId& id);
  // A heartbeat: last_heartbeat, streaks and the used fields, which are neither events nor stored by themselves.
  void touch_node(model::Node node);
  void release(Effect effect) { effects_.push_back(std::move(effect)); }

  [[nodiscard]] bool changed() const { return !events_.empty(); }
  // The last version of everything that changed in this turn.
  [[nodiscard]] ports::StoreTransaction transaction() const;
  [[nodiscard]] Released accept();
  // Back to the state at begin(), without events and effects.
  void undo();

 private:
  void replace(const SandboxId& id, SandboxRef after, bool quarantine);
  void replace_wait(const model::Sandbox* before, const model::Sandbox* after);
  void forget_name(const model::Sandbox& sandbox);
  void replace_reservation(const model::Sandbox* before, const model::Sandbox* after, bool quarantine);
  void replace_node(const NodeId& id, NodeRef after);
  void note_damage(const ports::StoreContents& contents);
  [[nodiscard]] sched::NodeFacts facts_of(const model::Node& node) const;
  [[nodiscard]] std::optional<WallTime> expiry_of(const model::Sandbox& sandbox) const;

  std::map<SandboxId, SandboxRef> sandboxes_;
  std::map<NodeId, NodeRef> nodes_;
  std::int64_t revision_ = 0;
  // Derived from the two maps by replace(): never written elsewhere.
  std::map<Age, SandboxRef> by_age_;
  std::map<std::string, NodeId> externals_;
  std::map<std::pair<std::string, std::string>, SandboxId> names_;
  std::map<NodeId, std::set<SandboxId>> on_node_;
  std::map<NodeId, Promised> promised_;  // of the nodes in on_node_
  std::set<std::pair<WallTime, SandboxId>> expiries_;
  std::map<model::Phase, std::size_t> phases_;
  sched::Cluster cluster_;
  sched::PendingQueue queue_;
  Waits waits_;
  Duration failed_retention_;
  std::set<NodeId> confirmed_;
  KeptAnswers answers_;
  std::map<NodeId, sched::Reservation> foreign_;  // only nodes where it is not zero

  // As it was loaded. What has gone since does not count any more.
  struct Damage {
    std::map<SandboxId, std::string> lives;  // uids
    std::set<NodeId> nodes;
    std::size_t nameless = 0;
  };
  Damage damaged_;

  // The turn in hand. A null version means "was not there".
  WallTime wall_;
  MonoTime mono_;
  std::int64_t revision_before_ = 0;
  std::map<SandboxId, SandboxRef> before_;
  std::map<NodeId, NodeRef> nodes_before_;
  std::vector<WatchEvent> events_;
  std::vector<Effect> effects_;
};

}  // namespace sandboxd::orch
