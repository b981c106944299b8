// What goes away: nodes, and what nobody knows on nodes.
#include "base/assert.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "lifecycle/sandbox_fsm.hpp"
#include "orch/decisions.hpp"

namespace sandboxd::orch {
namespace {

using model::Phase;

constexpr Log kLog("orch");
constexpr std::size_t kUidLength = 32;
// Until an orphan that was not found to be gone is removed again.
constexpr Duration kOrphanAgain = std::chrono::minutes(1);
constexpr const char* kNodeRemoved = "node removed";

Error node_missing() { return {ErrorCode::not_found, "node not found"}; }

// Left to its own call, which ends the phase: nothing else needs to be sent for it.
bool is_ending(Phase phase) { return phase == Phase::deleting || phase == Phase::stopping; }

}  // namespace

Result<void> Decisions::forget_node(const NodeId& id) {
  if (!state_.find_node(id)) return node_missing();
  drop_node(id);
  return {};
}

void Decisions::drop_node(const NodeId& node) {
  const std::set<SandboxId> there = state_.on_node(node);
  for (const SandboxId& sandbox : there) detach(*state_.find(sandbox));
  heartbeats_.forget(node);
  streams_.erase(node);
  const NodeId id = node;
  state_.erase_node(id);
  state_.release(CloseNode{id});
}

void Decisions::detach(const model::Sandbox& sandbox) {
  if (sandbox.phase == Phase::deleting) return state_.erase(SandboxId(sandbox.id));
  model::Sandbox next = sandbox;
  const auto phase = lifecycle::next(next.phase, lifecycle::Event::node_lost);
  if (phase) next.phase = *phase;
  if (next.phase == Phase::failed && sandbox.phase != Phase::failed) next.last_error = kNodeRemoved;
  next.node = NodeId();
  next.ports.clear();
  next.ip.clear();
  next.external.clear();
  state_.put(std::move(next));
}

bool Decisions::is_being_removed(const NodeId& node) const {
  const NodeRef found = state_.find_node(node);
  return found && found->removing;
}

Result<NodeRef> Decisions::begin_node_removal(const NodeId& id) {
  const NodeRef known = state_.find_node(id);
  if (!known) return node_missing();
  if (known->removing) return known;
  model::Node next = *known;
  next.removing = true;
  const NodeRef removing = state_.put_node(std::move(next));
  go_on_removing(removing->id);
  return removing;
}

void Decisions::go_on_removing(const NodeId& node) {
  const std::set<SandboxId>& there = state_.on_node(node);
  if (there.empty()) return state_.release(SendReconcile{node});
  for (const SandboxId& id : there) {
    if (const SandboxRef sandbox = state_.find(id)) state_.release(SendRemove{id, sandbox->uid, node});
  }
}

// The node stays, and so does what is still on it. What is gone from it is recorded as gone.
void Decisions::end_removal(const model::Node& node, const std::string& failure) {
  kLog.warn("the node is not removed", {{"node", node.id.str()}, {"error", failure}});
  model::Node next = node;
  next.removing = false;
  next.last_error = failure;
  const NodeRef kept = state_.put_node(std::move(next));
  for (const SandboxId& id : state_.on_node(kept->id)) {
    const SandboxRef sandbox = state_.find(id);
    if (sandbox->phase == Phase::deleting) continue;
    state_.release(CancelRemove{id, sandbox->uid, kept->id});
    // Its create may have been dropped in favour of the remove.
    const bool is_being_made = sandbox->phase == Phase::scheduled || sandbox->phase == Phase::creating;
    if (is_being_made && !sandbox->running_since) state_.release(SendCreate{sandbox});
    take_up_life(*sandbox);
  }
}

void Decisions::observe_reconcile(const ReconcileDone& done) {
  const NodeRef node = state_.find_node(done.node);
  if (!node || !node->removing) return;
  if (!done.outcome) {
    return end_removal(*node, "reconcile node " + node->id.str() + " during delete: " + done.outcome.error().message());
  }
  if (!state_.on_node(node->id).empty()) return go_on_removing(node->id);
  drop_node(node->id);
}

void Decisions::observe_remove(const RemoveDone& done) {
  if (done.outcome) {
    const auto orphan = orphans_.find(Orphan{done.node, done.id, done.uid});
    if (orphan != orphans_.end()) {
      orphans_by_time_.erase({orphan->second, orphan->first});
      orphans_.erase(orphan);
    }
  }
  const SandboxRef sandbox = state_.find(done.id);
  if (!sandbox || sandbox->uid != done.uid || sandbox->node != done.node) return;
  const NodeRef node = state_.find_node(done.node);
  const bool node_goes = node && node->removing;
  if (!done.outcome) {
    const std::string text = done.outcome.error().message();
    if (is_ending(sandbox->phase)) {
      model::Sandbox next = *sandbox;
      next.last_error = text.substr(0, limits::kErrorTextMax);
      if (next != *sandbox) state_.put(std::move(next));
    }
    if (node_goes) {
      end_removal(*node, "delete sandbox on node " + node->id.str() + " for sandbox " + done.id.str() + ": " + text);
    }
    return;
  }
  if (sandbox->phase == Phase::deleting) {
    state_.erase(done.id);
  } else if (sandbox->phase == Phase::stopping) {
    model::Sandbox next = *sandbox;
    next.phase = *lifecycle::next(next.phase, lifecycle::Event::node_stopped);
    next.node = NodeId();
    next.ports.clear();
    next.ip.clear();
    next.external.clear();
    state_.put(std::move(next));
  } else if (node_goes || sandbox->phase != Phase::failed) {
    // For the sake of its node; also when the node's removal was given up in the same moment: it is gone.
    detach(*sandbox);
  }
  if (node_goes && state_.on_node(done.node).empty()) state_.release(SendReconcile{done.node});
}

bool Decisions::is_ours(const std::string& uid) const { return uid.size() == kUidLength && uid.starts_with(instance_); }

// A damaged record may have lost its node or its uid: then what a node has of it looks like somebody else's.
bool Decisions::is_kept_aside(const SandboxId& id) const {
  const SandboxRef sandbox = state_.find(id);
  return sandbox ? state_.is_stand_in(*sandbox) : state_.lacks_sandboxes();
}

// Something on a node that this control plane once asked for and has no record of. What others made there has another
// mark in its uid, or none, and is left alone. It is given a while, since whoever keeps records may yet correct them;
// but not when it stands in the way of a sandbox that belongs there.
void Decisions::collect(const NodeId& node, const SandboxId& id, const std::string& uid) {
  if (!is_ours(uid) || is_kept_aside(id)) return;
  Orphan orphan{node, id, uid};
  if (orphans_.contains(orphan)) return;
  const SandboxRef present = state_.find(id);
  const bool is_in_the_way = present && present->node == node;
  if (is_in_the_way) state_.release(SendRemove{id, uid, node});
  const MonoTime due = state_.mono_now() + (is_in_the_way ? kOrphanAgain : config_.orphan_grace);
  orphans_by_time_.emplace(due, orphan);
  orphans_.emplace(std::move(orphan), due);
}

void Decisions::remove_orphans() {
  while (!orphans_by_time_.empty() && orphans_by_time_.begin()->first <= state_.mono_now()) {
    const Orphan orphan = orphans_by_time_.begin()->second;
    orphans_by_time_.erase(orphans_by_time_.begin());
    const SandboxRef sandbox = state_.find(orphan.id);
    const bool is_known = sandbox && sandbox->uid == orphan.uid && sandbox->node == orphan.node;
    if (is_known || !state_.find_node(orphan.node)) {
      orphans_.erase(orphan);
      continue;
    }
    kLog.info("removing a left-over sandbox", {{"sandbox", orphan.id.str()}, {"node", orphan.node.str()}});
    const MonoTime again = state_.mono_now() + kOrphanAgain;
    orphans_[orphan] = again;
    orphans_by_time_.emplace(again, orphan);
    state_.release(SendRemove{orphan.id, orphan.uid, orphan.node});
  }
}

}  // namespace sandboxd::orch
