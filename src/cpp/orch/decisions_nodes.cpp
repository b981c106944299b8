// What nodes say, and how calls to them ended.
#include "base/assert.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "lifecycle/sandbox_fsm.hpp"
#include "orch/decisions.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

using model::Phase;

constexpr Log kLog("orch");
constexpr std::size_t kUidLength = 32;
constexpr const char* kLost = "deleted on sbxlet node";

std::optional<lifecycle::Event> event_of(Phase node_phase) {
  switch (node_phase) {
    case Phase::creating: return lifecycle::Event::node_creating;
    case Phase::running: return lifecycle::Event::node_running;
    case Phase::paused: return lifecycle::Event::node_paused;
    case Phase::stopped: return lifecycle::Event::node_stopped;
    case Phase::failed: return lifecycle::Event::node_failed;
    default: return std::nullopt;
  }
}

std::string bounded(std::string text) {
  if (text.size() > limits::kErrorTextMax) text.resize(limits::kErrorTextMax);
  return text;
}

// The sandboxd-o orchestrator's words: the sandbox's own error, then each container's.
std::string failure_text(const model::NodeSandboxStatus& status) {
  std::string text = status.error;
  for (const model::ContainerStatus& container : status.containers) {
    if (container.error.empty()) continue;
    const std::string part = "container " + container.name + ": " + container.error;
    if (text.find(container.error) != std::string::npos) continue;
    text += (text.empty() ? "" : "; ") + part;
  }
  return bounded(text.empty() ? "sandbox error on sbxlet node" : text);
}

// What is worth a revision: not the figures that move with every report.
bool is_news(const model::Node& before, const model::Node& after) {
  return before.state != after.state || before.boot_id != after.boot_id ||
         before.resources.capacity_cpu_milli != after.resources.capacity_cpu_milli ||
         before.resources.capacity_memory_bytes != after.resources.capacity_memory_bytes ||
         before.resources.allocatable_cpu_milli != after.resources.allocatable_cpu_milli ||
         before.resources.allocatable_memory_bytes != after.resources.allocatable_memory_bytes ||
         before.resources.max_alloc_percent != after.resources.max_alloc_percent;
}

}  // namespace

void Decisions::observe(const Observation& observation) {
  if (const auto* link = std::get_if<LinkOpened>(&observation)) {
    observe_link(*link);
  } else if (const auto* said = std::get_if<NodeSaid>(&observation)) {
    observe_event(*said);
  } else if (const auto* failed = std::get_if<LinkFailed>(&observation)) {
    observe_health(failed->node, liveness::Signal::link_failed, failed->text);
  } else if (const auto* silent = std::get_if<NodeSilent>(&observation)) {
    observe_health(silent->node, liveness::Signal::silence, "no report from the node");
  } else if (const auto* created = std::get_if<CreateDone>(&observation)) {
    observe_create(*created);
  } else if (const auto* removed = std::get_if<RemoveDone>(&observation)) {
    observe_remove(*removed);
  }
}

void Decisions::observe_link(const LinkOpened& link) {
  Stream& stream = streams_[link.node];
  stream.generation = link.generation;
  stream.seen.clear();
}

void Decisions::observe_event(const NodeSaid& said) {
  const NodeRef node = state_.find_node(said.node);
  const auto found = streams_.find(said.node);
  if (!node || found == streams_.end() || found->second.generation != said.generation) return;
  Stream& stream = found->second;
  if (const auto* report = std::get_if<model::NodeReport>(&said.event)) {
    observe_report(*node, *report);
  } else if (const auto* status = std::get_if<model::NodeSandboxStatus>(&said.event)) {
    observe_status(*node, stream, *status);
  } else if (const auto* gone = std::get_if<model::NodeSandboxGone>(&said.event)) {
    observe_gone(node->id, stream, *gone);
  } else {
    observe_snapshot(node->id, stream);
  }
}

void Decisions::observe_report(const model::Node& node, const model::NodeReport& report) {
  const liveness::HealthPolicy policy{config_.ready_success_threshold, config_.notready_failure_threshold};
  heartbeats_.renew(node.id, state_.mono_now());
  state_.confirm(node.id);
  model::Node next = node;
  liveness::set_health(next, liveness::next(liveness::health_of(node), liveness::Signal::report, "", policy));
  next.boot_id = report.boot_id;
  next.resources = report.resources;
  if (report.images) next.images = *report.images;
  next.last_heartbeat = state_.wall_now();
  if (is_news(node, next)) {
    state_.put_node(std::move(next));
  } else {
    state_.touch_node(std::move(next));
  }
}

void Decisions::observe_health(const NodeId& id, liveness::Signal signal, const std::string& text) {
  const NodeRef node = state_.find_node(id);
  if (!node) return;
  const liveness::HealthPolicy policy{config_.ready_success_threshold, config_.notready_failure_threshold};
  model::Node next = *node;
  liveness::set_health(next, liveness::next(liveness::health_of(*node), signal, bounded(text), policy));
  if (next.state == node->state) return state_.touch_node(std::move(next));
  kLog.warn("node is not ready", {{"node", id.str()}, {"error", next.last_error}});
  state_.put_node(std::move(next));
}

bool Decisions::is_ours(const std::string& uid) const { return uid.size() == kUidLength && uid.starts_with(instance_); }

// Something on a node that this control plane once asked for and has no record of. What others made there has another
// mark in its uid, or none, and is left alone.
void Decisions::collect(const NodeId& node, const SandboxId& id, const std::string& uid) {
  if (!is_ours(uid)) return;
  kLog.info("removing a left-over sandbox", {{"sandbox", id.str()}, {"node", node.str()}});
  state_.release(SendRemove{id, uid, node});
}

void Decisions::observe_status(const model::Node& node, Stream& stream, const model::NodeSandboxStatus& status) {
  const SandboxRef sandbox = state_.find(status.id);
  const bool is_this_life = sandbox && (status.uid.empty() || status.uid == sandbox->uid);
  if (!is_this_life || sandbox->node != node.id) {
    if (status.phase != Phase::deleting) collect(node.id, status.id, status.uid);
    return;
  }
  stream.seen.insert(status.id);
  if (sandbox->phase == Phase::deleting) return;
  apply_status(node, *sandbox, status);
}

void Decisions::apply_status(const model::Node& node, const model::Sandbox& sandbox,
                             const model::NodeSandboxStatus& status) {
  const auto event = event_of(status.phase);
  const auto phase = event ? lifecycle::next(sandbox.phase, *event) : std::nullopt;
  if (!phase) return;
  model::Sandbox next = sandbox;
  next.phase = *phase;
  if (!status.ip.empty()) next.ip = status.ip;
  next.containers = status.containers;
  next.external = node.external.empty() ? "(none)" : node.external;
  if (next.phase == Phase::running && sandbox.phase != Phase::running) {
    next.last_error.clear();
    next.running_since = state_.wall_now();
  }
  if (next.phase == Phase::failed && sandbox.last_error.empty()) next.last_error = failure_text(status);
  if (next.phase == Phase::stopped && !status.error.empty()) next.last_error = bounded(status.error);
  if (next == sandbox) return;
  state_.put(std::move(next));
}

void Decisions::lose(const model::Sandbox& sandbox) {
  const auto phase = lifecycle::next(sandbox.phase, lifecycle::Event::node_lost);
  if (!phase || *phase == sandbox.phase) return;
  model::Sandbox next = sandbox;
  next.phase = *phase;
  if (next.phase == Phase::failed && next.last_error.empty()) next.last_error = kLost;
  state_.put(std::move(next));
}

void Decisions::observe_gone(const NodeId& node, Stream& stream, const model::NodeSandboxGone& gone) {
  const SandboxRef sandbox = state_.find(gone.id);
  if (!sandbox || sandbox->node != node || (!gone.uid.empty() && gone.uid != sandbox->uid)) return;
  stream.seen.erase(gone.id);
  // A deletion or a stop is ended by its own call, which the node answers with success.
  if (sandbox->phase == Phase::deleting || sandbox->phase == Phase::stopping) return;
  lose(*sandbox);
}

// The node has named everything it has: what it did not name is not there.
void Decisions::observe_snapshot(const NodeId& node, const Stream& stream) {
  const std::set<SandboxId> believed = state_.on_node(node);
  for (const SandboxId& id : believed) {
    if (stream.seen.contains(id)) continue;
    const SandboxRef sandbox = state_.find(id);
    switch (sandbox->phase) {
      case Phase::scheduled:
      case Phase::creating: state_.release(SendCreate{sandbox}); break;  // idempotent for its uid
      case Phase::deleting:
      case Phase::stopping: state_.release(SendRemove{id, sandbox->uid, node}); break;
      default: lose(*sandbox); break;
    }
  }
}

void Decisions::observe_create(const CreateDone& done) {
  const SandboxRef sandbox = state_.find(done.id);
  if (!sandbox || sandbox->uid != done.uid) return;
  const auto event = done.outcome ? lifecycle::Event::create_accepted : lifecycle::Event::create_refused;
  const auto phase = lifecycle::next(sandbox->phase, event);
  if (!phase || *phase == sandbox->phase) return;
  model::Sandbox next = *sandbox;
  next.phase = *phase;
  if (done.outcome) {
    next.last_error.clear();
  } else {
    next.last_error = bounded(done.outcome.error().message());
    next.ports.clear();  // not published, so free for others
    // The node said no, but an earlier attempt may have left something.
    state_.release(SendRemove{done.id, done.uid, sandbox->node});
  }
  state_.put(std::move(next));
}

void Decisions::observe_remove(const RemoveDone& done) {
  const SandboxRef sandbox = state_.find(done.id);
  if (!sandbox || sandbox->uid != done.uid) return;
  if (sandbox->phase != Phase::deleting && sandbox->phase != Phase::stopping) return;
  if (!done.outcome) {
    model::Sandbox next = *sandbox;
    next.last_error = bounded(done.outcome.error().message());
    if (next != *sandbox) state_.put(std::move(next));
    return;
  }
  if (sandbox->phase == Phase::deleting) return state_.erase(done.id);
  model::Sandbox next = *sandbox;
  next.phase = *lifecycle::next(next.phase, lifecycle::Event::node_stopped);
  next.node = NodeId();
  next.ports.clear();
  next.ip.clear();
  next.external.clear();
  state_.put(std::move(next));
}

std::vector<NodeId> Decisions::take_silent_nodes() { return heartbeats_.expire(state_.mono_now()); }

std::optional<MonoTime> Decisions::next_deadline(WallTime wall, MonoTime mono) const {
  std::optional<MonoTime> next = heartbeats_.next_deadline();
  const auto sooner = [&next](MonoTime at) {
    if (!next || at < *next) next = at;
  };
  // The wall clock may jump, so a long wait is cut into pieces.
  const auto at_wall = [&](WallTime at) {
    const Duration wait = std::clamp<Duration>(at - wall, Duration::zero(), std::chrono::minutes(1));
    sooner(mono + wait);
  };
  if (const auto expiry = state_.next_expiry()) at_wall(expiry->first);
  if (const auto oldest = state_.queue().oldest()) {
    at_wall(give_up_time(oldest->first));
    if (const auto next_hold = next_hold_time()) at_wall(*next_hold);
    if (const auto port = state_.cluster().next_port_expiry()) sooner(*port);
  }
  return next;
}

}  // namespace sandboxd::orch
