// What the control plane decides: wishes and observations in, changes of the state out.
//
// Plain code without awaits, called inside a turn. A wish is checked completely before anything is changed, so an error
// leaves the turn as it was. What a node says is believed only for the life (uid) and the node that the record names;
// late news is ignored. Split over decisions_*.cpp: users, nodes, placement, and what is removed from nodes. Core
// thread.
#pragma once

#include "base/limits.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "liveness/heartbeats.hpp"
#include "liveness/node_fsm.hpp"
#include "orch/config.hpp"
#include "orch/inbox.hpp"
#include "orch/node_news.hpp"
#include "orch/service.hpp"
#include "orch/state.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::orch {

// Failed, and its node has yet to say why.
[[nodiscard]] bool awaits_reason(const model::Sandbox& sandbox);
inline constexpr std::size_t kReasonsStoredMax = 16;  // with a record; explain() has all

class Decisions {
 public:
  // `instance`: 8 hex digits that begin every uid of this control plane.
  Decisions(State& state, const OrchConfig& config, std::string instance, std::uint64_t seed);

  // After a start: takes up what the last life left under way. `now`: of this start.
  void resume(MonoTime now);

  // Users.
  [[nodiscard]] Result<SandboxRef> create(const CreateSandbox& request);
  [[nodiscard]] Result<OnceAnswer> create_once(const CreateSandbox& request, const OnceKey& once, const Render& render);
  [[nodiscard]] Result<void> remove(const SandboxId& id);
  // decisions_life.cpp. Errors: not_found; conflict with a reason (service.hpp); unsupported; a start also
  // unschedulable.
  [[nodiscard]] Result<SandboxRef> pause(const SandboxId& id);
  [[nodiscard]] Result<SandboxRef> resume_sandbox(const SandboxId& id);
  [[nodiscard]] Result<SandboxRef> stop(const SandboxId& id);
  [[nodiscard]] Result<SandboxRef> start(const SandboxId& id);
  [[nodiscard]] Result<SandboxRef> restart(const SandboxId& id);
  [[nodiscard]] Result<SandboxRef> renew(const SandboxId& id, std::int64_t seconds);
  [[nodiscard]] Result<std::vector<std::string>> explain(const SandboxId& id,
                                                         std::size_t lines_max = limits::kNodesMax);
  [[nodiscard]] Result<NodeRef> upsert_node(const UpsertNode& request);
  [[nodiscard]] Result<NodeRef> patch_node(const NodeId& id, const PatchNode& patch);
  [[nodiscard]] Result<void> bind_external(const BindExternal& request);
  [[nodiscard]] Result<void> unbind_external(const std::string& id);
  // A node was asked how it is. Late news of a node that has moved or gone changes nothing. Errors: not_found.
  [[nodiscard]] Result<NodeRef> note_probe(const NodeProbe& probe);
  // With force: the node is forgotten at once. Without: the wish becomes durable (Node::removing); its sandboxes are
  // removed, then the node compares itself, then it is forgotten. What fails ends the removal: the node stays, with
  // `removing` false and the reason in last_error. A node that is being removed already is returned as it is.
  [[nodiscard]] Result<void> forget_node(const NodeId& id);
  [[nodiscard]] Result<NodeRef> begin_node_removal(const NodeId& id);

  // Nodes and calls to them.
  void observe(const Observation& observation);

  // Time.
  void expire_sandboxes();
  void remove_orphans();
  [[nodiscard]] std::vector<NodeId> take_silent_nodes();
  void tell_news() { news_.tell_rest(state_.mono_now()); }
  // Tries those who wait, when something that could help has changed, and fails those who waited too long.
  void place_pending();
  // True when place_pending() has not come to an end yet.
  [[nodiscard]] bool has_more_to_place() const { return next_waiting_ < waiting_.size(); }
  // When time alone makes a difference; what is due by the wall clock is looked at again at least every minute.
  [[nodiscard]] std::optional<MonoTime> next_deadline(WallTime wall, MonoTime mono) const;

  [[nodiscard]] std::uint64_t placements() const { return placements_; }

 private:
  // What a node's present stream has said. Volatile.
  struct Stream {
    std::uint64_t generation = 0;
    bool polled = false;
    bool reported = false;
    std::set<SandboxId> seen;
  };
  struct Orphan {
    NodeId node;
    SandboxId id;
    std::string uid;
    friend auto operator<=>(const Orphan&, const Orphan&) = default;
  };

  struct Hold {
    std::string uid;  // of the sandbox's life
    NodeId node;
  };

  void observe_link(const LinkOpened& link);
  void observe_event(const NodeSaid& said);
  void observe_report(const model::Node& node, Stream& stream, const model::NodeReport& report);
  void observe_status(const model::Node& node, Stream& stream, const model::NodeSandboxStatus& status);
  void observe_gone(const NodeId& node, Stream& stream, const model::NodeSandboxGone& gone);
  void observe_snapshot(const NodeId& node, const Stream& stream);
  void observe_probe(const NodeProbed& probed);
  void observe_create(const CreateDone& done);
  void observe_remove(const RemoveDone& done);
  void observe_life(const LifeDone& done);
  void observe_reconcile(const ReconcileDone& done);
  void observe_health(const NodeId& id, liveness::Signal signal, const std::string& text);

  void note_foreign(const model::Node& node, const model::NodeReport& report);
  void apply_status(const model::Node& node, const Stream& stream, const model::Sandbox& sandbox,
                    const model::NodeSandboxStatus& status);
  void lose(const model::Sandbox& sandbox);
  void collect(const NodeId& node, const SandboxId& id, const std::string& uid);
  [[nodiscard]] bool is_ours(const std::string& uid) const;
  [[nodiscard]] bool is_kept_aside(const SandboxId& id) const;
  [[nodiscard]] bool is_being_removed(const NodeId& node) const;
  void name_missing_nodes() const;
  // Sends what its removal still needs.
  void go_on_removing(const NodeId& node);
  void end_removal(const model::Node& node, const std::string& failure);
  void drop_node(const NodeId& node);

  // After a node's refusal of a host port; false when that is not what it says, or no other port may be tried.
  bool choose_other_port(const model::Sandbox& sandbox, const std::string& refusal);
  // After a node's refusal for want of room; false when the sandbox is not to wait (any longer).
  bool wait_for_room(const model::Sandbox& sandbox, const std::string& refusal);
  [[nodiscard]] std::string draw_uid();
  [[nodiscard]] sched::Decision find_place(const model::Sandbox& sandbox, std::size_t refusals_max);
  // True when it was placed.
  bool try_place(const model::Sandbox& sandbox, const sched::Decision& decision);
  void give_up(const model::Sandbox& sandbox, std::vector<std::string> reasons);
  void give_up_overdue();
  void update_holds();
  void drop_stale_holds();
  [[nodiscard]] Duration patience() const;
  [[nodiscard]] std::optional<MonoTime> next_hold_time() const;
  void begin_delete(const model::Sandbox& sandbox, const std::string& why);
  SandboxRef begin_stop(const model::Sandbox& sandbox, model::Desired desired);
  [[nodiscard]] Result<SandboxRef> begin_start(const model::Sandbox& sandbox);
  SandboxRef start_there(const model::Sandbox& sandbox);
  SandboxRef start_anew(const model::Sandbox& sandbox);
  void go_on_after_stop(const model::Sandbox& stopped);
  // Sends what its phase still needs.
  void take_up_life(const model::Sandbox& sandbox);
  void send_life(const model::Sandbox& sandbox, ports::LifeVerb verb);
  void repeat_life(const model::Sandbox& sandbox, ports::LifeVerb verb);
  [[nodiscard]] bool is_overtaken(const model::Sandbox& sandbox, const model::NodeSandboxStatus& status) const;
  // Takes our wish back.
  SandboxRef give_way(const model::Sandbox& sandbox);
  void follow_desired(model::Sandbox& next, const model::NodeSandboxStatus& status);
  [[nodiscard]] Result<SandboxRef> find_wanted(const SandboxId& id) const;
  [[nodiscard]] Result<void> check_node_can(const model::Sandbox& sandbox, ports::LifeVerb verb) const;
  [[nodiscard]] Result<void> check_room(const model::Sandbox& sandbox);
  [[nodiscard]] static bool is_old_end(const model::Sandbox& sandbox, const model::NodeSandboxStatus& status);
  // Changes the External that is bound to a node, and what its sandboxes say of it.
  void set_external(model::Node next);
  // What is left of one whose node is gone for good.
  void detach(const model::Sandbox& sandbox);
  [[nodiscard]] MonoTime give_up_time(MonoTime since) const;
  [[nodiscard]] bool fails_at_once() const;

  State& state_;
  const OrchConfig& config_;
  std::string instance_;
  Random random_;
  liveness::Heartbeats heartbeats_;
  std::map<NodeId, Stream> streams_;
  NodeNews news_;
  // What nobody knows any more, with the moment of its removal; and the same in that order.
  std::map<Orphan, MonoTime> orphans_;
  std::set<std::pair<MonoTime, Orphan>> orphans_by_time_;
  std::map<SandboxId, std::int64_t> wishes_;  // order of the wish that is on its way or under way; volatile
  std::map<SandboxId, Hold> holds_;           // nodes kept for those who have waited longest; volatile
  std::uint64_t holds_gains_ = 0;             // Cluster::gains() and time when new holds were last looked for
  MonoTime holds_checked_{std::numeric_limits<std::int64_t>::min() / 2};  // half: a wait may be taken from it
  MonoTime warm_at_;                                                      // until then loaded nodes may still come back
  std::vector<SandboxId> waiting_;                                        // of the pass in hand
  std::size_t next_waiting_ = 0;
  std::uint64_t gains_tried_ = 0;  // Cluster::gains() when the last pass began
  std::uint64_t placements_ = 0;
};

// What was asked for at the create counts for every life.
void renew_ttl(model::Sandbox& sandbox, WallTime now);

// A line of model::Sandbox::reasons about a host port that a node refused: kept while another is tried.
[[nodiscard]] bool is_port_refusal(const std::string& reason);

}  // namespace sandboxd::orch
