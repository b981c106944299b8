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
// A stock node says this for a moment, until it knows the reason.
constexpr const char* kReasonToCome = "provision failed";
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

bool awaits_reason(const model::Sandbox& sandbox) {
  return sandbox.phase == Phase::failed && sandbox.last_error == kReasonToCome;
}

void Decisions::observe(const Observation& observation) {
  if (const auto* link = std::get_if<LinkOpened>(&observation)) {
    observe_link(*link);
  } else if (const auto* said = std::get_if<NodeSaid>(&observation)) {
    observe_event(*said);
  } else if (const auto* failed = std::get_if<LinkFailed>(&observation)) {
    observe_health(failed->node, liveness::Signal::link_failed, failed->text);
  } else if (const auto* silent = std::get_if<NodeSilent>(&observation)) {
    observe_health(silent->node, liveness::Signal::silence, "no report from the node");
  } else if (const auto* probed = std::get_if<NodeProbed>(&observation)) {
    observe_probe(*probed);
  } else if (const auto* reconciled = std::get_if<ReconcileDone>(&observation)) {
    observe_reconcile(*reconciled);
  } else if (const auto* created = std::get_if<CreateDone>(&observation)) {
    observe_create(*created);
  } else if (const auto* removed = std::get_if<RemoveDone>(&observation)) {
    observe_remove(*removed);
  } else if (const auto* changed = std::get_if<LifeDone>(&observation)) {
    observe_life(*changed);
  }
}

void Decisions::observe_link(const LinkOpened& link) {
  if (!state_.find_node(link.node)) return;
  Stream& stream = streams_[link.node];
  stream = Stream();
  stream.generation = link.generation;
  stream.polled = link.polled;
  // A polled node is judged by its probes, the others by their silence.
  if (link.polled) heartbeats_.forget(link.node);
  state_.release(LinkKnown{link.node, link.polled});
  if (!link.polled || is_being_removed(link.node)) return;
  // No snapshot will come. Creates there begin by asking what is there, an earlier life of the id included.
  for (const SandboxId& id : state_.on_node(link.node)) {
    const SandboxRef sandbox = state_.find(id);
    if (sandbox->phase == Phase::scheduled && !sandbox->running_since) state_.release(SendCreate{sandbox});
  }
}

void Decisions::observe_event(const NodeSaid& said) {
  const NodeRef node = state_.find_node(said.node);
  const auto found = streams_.find(said.node);
  if (!node || found == streams_.end() || found->second.generation != said.generation) return;
  Stream& stream = found->second;
  if (const auto* report = std::get_if<model::NodeReport>(&said.event)) {
    observe_report(*node, stream, *report);
  } else if (const auto* status = std::get_if<model::NodeSandboxStatus>(&said.event)) {
    observe_status(*node, stream, *status);
  } else if (const auto* gone = std::get_if<model::NodeSandboxGone>(&said.event)) {
    observe_gone(node->id, stream, *gone);
  } else {
    observe_snapshot(node->id, stream);
  }
}

// What others use on the node: everything that it counts and we do not. Looked at when its figures move, or while there
// is something.
void Decisions::note_foreign(const model::Node& node, const model::NodeReport& report) {
  const model::NodeResources& told = report.resources;
  const bool has_moved = told.used_cpu_milli != node.resources.used_cpu_milli ||
                         told.used_memory_bytes != node.resources.used_memory_bytes || !state_.is_confirmed(node.id);
  if (!has_moved && !state_.has_foreign(node.id)) return;
  const State::Promised ours = state_.promised_on(node.id);
  sched::Reservation foreign;
  foreign.cpu_milli = std::max<std::int64_t>(told.used_cpu_milli - ours.cpu_milli, 0);
  foreign.memory_bytes = std::max<std::int64_t>(told.used_memory_bytes - ours.memory_bytes, 0);
  state_.set_foreign(node.id, std::move(foreign));
}

void Decisions::observe_report(const model::Node& node, Stream& stream, const model::NodeReport& report) {
  note_foreign(node, report);
  stream.reported = true;
  model::Node next = node;
  next.resources = report.resources;
  if (report.images) next.images = *report.images;
  if (!stream.polled) {
    const liveness::HealthPolicy policy{config_.ready_success_threshold, config_.notready_failure_threshold};
    const auto term = liveness::report_term(state_.nodes().size(), random_.next());
    heartbeats_.renew(node.id, state_.mono_now(), term);
    state_.confirm(node.id);
    liveness::set_health(next, liveness::next(liveness::health_of(node), liveness::Signal::report, "", policy));
    next.boot_id = report.boot_id;
    next.last_heartbeat = state_.wall_now();
  }
  if (is_news(node, next)) {
    state_.put_node(std::move(next));
  } else {
    state_.touch_node(std::move(next));
  }
}

void Decisions::observe_probe(const NodeProbed& probed) {
  const auto stream = streams_.find(probed.node);
  if (stream == streams_.end() || stream->second.generation != probed.generation) return;
  const NodeRef node = state_.find_node(probed.node);
  if (!node) return;
  model::Node seen = *node;
  seen.last_heartbeat = state_.wall_now();
  state_.touch_node(std::move(seen));
  if (!probed.outcome) {
    return observe_health(probed.node, liveness::Signal::probe_failed, probed.outcome.error().message());
  }
  // It answers, and what it has is known to this process: what the store says of it may be believed.
  if (stream->second.reported) state_.confirm(probed.node);
  observe_health(probed.node, liveness::Signal::probe_ok, "");
}

void Decisions::observe_health(const NodeId& id, liveness::Signal signal, const std::string& text) {
  const NodeRef node = state_.find_node(id);
  if (!node) return;
  const liveness::HealthPolicy policy{config_.ready_success_threshold, config_.notready_failure_threshold};
  model::Node next = *node;
  liveness::set_health(next, liveness::next(liveness::health_of(*node), signal, bounded(text), policy));
  if (signal == liveness::Signal::link_failed) next.last_heartbeat = state_.wall_now();
  const bool is_first_failure = signal == liveness::Signal::link_failed && node->failure_streak == 0;
  if (is_first_failure) news_.tell(id, "node stream cannot be opened", text, state_.mono_now());
  // The first failure is a change: whoever registered the node waits for its answer.
  const bool has_begun_to_fail = node->last_error.empty() && !next.last_error.empty();
  const bool has_changed = next.state != node->state;
  if (!has_changed && !has_begun_to_fail) return state_.touch_node(std::move(next));
  if (has_changed && next.state == model::NodeState::ready) {
    kLog.info("node is ready", {{"node", id.str()}});
  } else if (has_changed) {
    news_.tell(id, "node is not ready", next.last_error, state_.mono_now());
  }
  state_.put_node(std::move(next));
}

Result<NodeRef> Decisions::note_probe(const NodeProbe& probe) {
  const NodeRef node = state_.find_node(probe.node);
  if (!node) return Error(ErrorCode::not_found, "node not found");
  if (node->address != probe.address) return node;
  const liveness::HealthPolicy policy{config_.ready_success_threshold, config_.notready_failure_threshold};
  const auto signal = probe.outcome ? liveness::Signal::probe_ok : liveness::Signal::probe_failed;
  const std::string text = probe.outcome ? std::string() : bounded(probe.outcome.error().message());
  model::Node next = *node;
  liveness::set_health(next, liveness::next(liveness::health_of(*node), signal, text, policy));
  next.last_heartbeat = state_.wall_now();
  if (probe.resources) next.resources = *probe.resources;
  if (probe.outcome) {
    const auto stream = streams_.find(node->id);
    if (stream == streams_.end() || !stream->second.polled) {
      const auto term = liveness::report_term(state_.nodes().size(), random_.next());
      heartbeats_.renew(node->id, state_.mono_now(), term);
    }
    if (probe.resources) state_.confirm(node->id);
  }
  if (is_news(*node, next)) return state_.put_node(std::move(next));
  state_.touch_node(std::move(next));
  return state_.find_node(node->id);
}

void Decisions::observe_status(const model::Node& node, Stream& stream, const model::NodeSandboxStatus& status) {
  const SandboxRef sandbox = state_.find(status.id);
  const bool is_this_life = sandbox && status.uid == sandbox->uid;
  if (!is_this_life || sandbox->node != node.id) {
    if (status.phase != Phase::deleting) collect(node.id, status.id, status.uid);
    return;
  }
  stream.seen.insert(status.id);
  if (sandbox->phase == Phase::deleting) return;
  apply_status(node, stream, *sandbox, status);
}

void Decisions::apply_status(const model::Node& node, const Stream& stream, const model::Sandbox& sandbox,
                             const model::NodeSandboxStatus& status) {
  if (is_overtaken(sandbox, status)) {
    const SandboxRef free = give_way(sandbox);
    return apply_status(node, stream, *free, status);
  }
  if (is_old_end(sandbox, status)) return take_up_life(sandbox);
  // Asked for and not so: the call may have been answered by a life of the agent that went on otherwise.
  const bool is_wished_away = sandbox.phase == Phase::pausing || sandbox.phase == Phase::stopping;
  if (is_wished_away && !stream.polled && status.phase == Phase::running) take_up_life(sandbox);
  auto event = event_of(status.phase);
  const bool is_another_life = status.started_at && status.started_at != sandbox.running_since;
  const bool was_over = sandbox.phase == Phase::stopped || sandbox.phase == Phase::failed;
  const bool has_ports = sandbox.ports.size() == sandbox.spec.ports.size() && !state_.is_stand_in(sandbox);
  // Started and paused again before we heard of either: one step after the other.
  if (status.phase == Phase::paused && was_over && is_another_life && has_ports) {
    model::NodeSandboxStatus before = status;
    before.phase = Phase::running;
    apply_status(node, stream, sandbox, before);
    const SandboxRef running = state_.find(sandbox.id);
    if (running && running->phase == Phase::running) apply_status(node, stream, *running, status);
    return;
  }
  if (event == lifecycle::Event::node_running && was_over && is_another_life && has_ports)
    event = lifecycle::Event::node_started;
  // A look at a polled node may fall into a moment in which its runtime did not answer.
  const bool is_alive_after_all =
      stream.polled && event == lifecycle::Event::node_running && sandbox.phase == Phase::failed && has_ports;
  if (is_alive_after_all) event = lifecycle::Event::node_recovered;
  const auto phase = event ? lifecycle::next(sandbox.phase, *event) : std::nullopt;
  if (!phase) return;
  if (*phase == Phase::failed && choose_other_port(sandbox, bounded(status.error))) return;
  model::Sandbox next = sandbox;
  next.phase = *phase;
  if (!status.ip.empty()) next.ip = status.ip;
  next.containers = status.containers;
  next.external = node.external.empty() ? "(none)" : node.external;
  if (next.phase == Phase::running && sandbox.phase != Phase::running) {
    next.last_error.clear();
    next.reasons.clear();
    next.ended_at.reset();
    // One that was paused is in the same life.
    if (!sandbox.running_since || sandbox.phase != Phase::paused)
      next.running_since = status.started_at ? *status.started_at : state_.wall_now();
    if (was_over) renew_ttl(next, state_.wall_now());
  }
  if (next.phase == Phase::running && is_another_life) next.running_since = status.started_at;
  const bool has_ended = next.phase == Phase::stopped || next.phase == Phase::failed;
  if (has_ended && next.phase != sandbox.phase) {
    next.ended_at = status.ended_at ? *status.ended_at : state_.wall_now();
    next.ip.clear();
  }
  const bool wants_reason = sandbox.last_error.empty() || awaits_reason(sandbox);
  if (next.phase == Phase::failed && wants_reason) next.last_error = failure_text(status);
  if (next.phase == Phase::stopped && !status.error.empty()) next.last_error = bounded(status.error);
  // A resume that the node does not know yet stands.
  const bool is_resumed = sandbox.phase == Phase::paused && sandbox.desired == model::Desired::running;
  if (!is_resumed || next.phase != Phase::paused) follow_desired(next, status);
  if (next == sandbox) return;
  const bool is_restart =
      sandbox.phase == Phase::stopping && next.phase == Phase::stopped && sandbox.desired == model::Desired::running;
  if (is_restart) return go_on_after_stop(next);
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
  if (const auto orphan = orphans_.find(Orphan{node, gone.id, gone.uid}); orphan != orphans_.end()) {
    orphans_by_time_.erase({orphan->second, orphan->first});
    orphans_.erase(orphan);
  }
  const SandboxRef sandbox = state_.find(gone.id);
  if (!sandbox || sandbox->node != node || (!gone.uid.empty() && gone.uid != sandbox->uid)) return;
  stream.seen.erase(gone.id);
  // A deletion is ended by its own call, which the node answers with success; so is a node's removal.
  if (sandbox->phase == Phase::deleting || is_being_removed(node)) return;
  lose(*sandbox);
}

// The node has named everything it has: what it did not name is not there.
void Decisions::observe_snapshot(const NodeId& node, const Stream& stream) {
  if (is_being_removed(node)) return go_on_removing(node);
  const std::set<SandboxId> believed = state_.on_node(node);
  for (const SandboxId& id : believed) {
    if (stream.seen.contains(id)) continue;
    const SandboxRef sandbox = state_.find(id);
    switch (sandbox->phase) {
      case Phase::scheduled:
      case Phase::creating:
        // Idempotent for its uid. But one that has lived had files there, which a create would not bring back.
        if (sandbox->running_since) {
          lose(*sandbox);
        } else {
          state_.release(SendCreate{sandbox});
        }
        break;
      case Phase::deleting: state_.release(SendRemove{id, sandbox->uid, node}); break;
      default: lose(*sandbox); break;
    }
  }
}

void Decisions::observe_create(const CreateDone& done) {
  const SandboxRef sandbox = state_.find(done.id);
  if (!sandbox || sandbox->uid != done.uid || sandbox->node != done.node) return;
  const auto event = done.outcome ? lifecycle::Event::create_accepted : lifecycle::Event::create_refused;
  const auto phase = lifecycle::next(sandbox->phase, event);
  if (!phase || *phase == sandbox->phase) return;
  if (!done.outcome) {
    const std::string refusal = bounded(done.outcome.error().message());
    // No room is not the port's fault: another sandbox there may be going away.
    const bool no_room = done.outcome.error().code() == ErrorCode::resource_exhausted;
    if (no_room ? wait_for_room(*sandbox, refusal) : choose_other_port(*sandbox, refusal)) return;
  }
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
  if (const auto news = news_.deadline()) sooner(*news);
  if (!orphans_by_time_.empty()) sooner(orphans_by_time_.begin()->first);
  if (const auto oldest = state_.queue().oldest()) {
    sooner(give_up_time(oldest->first));
    if (const auto next_hold = next_hold_time()) sooner(*next_hold);
    if (const auto port = state_.cluster().next_port_expiry()) sooner(*port);
  }
  return next;
}

}  // namespace sandboxd::orch
