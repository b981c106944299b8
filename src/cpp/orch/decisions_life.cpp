// What users want of a sandbox that exists: pause, resume, stop, start, restart, a later expiry; and what came of it.
//
// A wish is durable as `desired` and a phase that leads there, and its call goes to the node until the node has taken
// it. The phase ends by the node's own news. A stopped sandbox stays on its node, where its files are, and keeps its
// host ports; its CPU and memory are free for others, and are asked for again by a start. A restart is a stop that is
// wanted with `desired` running.
#include "base/assert.hpp"
#include "base/limits.hpp"
#include "lifecycle/sandbox_fsm.hpp"
#include "orch/decisions.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

using lifecycle::Event;
using model::Desired;
using model::Phase;
using ports::LifeVerb;

constexpr std::int64_t kTtlSecondsMax = std::int64_t{100} * 365 * 24 * 3600;

Error sandbox_missing() { return {ErrorCode::not_found, "sandbox not found"}; }

// With the reason in the form that dialects look for.
Error refused(const char* text, const char* reason) {
  return Error(ErrorCode::conflict, std::string("sandbox is ") + text).with_reasons({reason});
}

void move(model::Sandbox& sandbox, Event event) {
  const auto phase = lifecycle::next(sandbox.phase, event);
  SBX_ASSERT(phase.has_value());
  sandbox.phase = *phase;
}

bool is_over(Phase phase) { return phase == Phase::stopped || phase == Phase::failed; }
bool is_in_order(Phase phase) { return phase == Phase::running || phase == Phase::pausing || phase == Phase::paused; }

bool keeps_files(const model::Sandbox& sandbox) {
  return sandbox.desired == Desired::stopped || sandbox.spec.on_expiry == model::OnExpiry::stop;
}

// A wish of ours is on its way, or under way.
bool is_wished(const model::Sandbox& sandbox) {
  switch (sandbox.phase) {
    case Phase::pausing:
    case Phase::stopping: return true;
    case Phase::paused: return sandbox.desired == Desired::running;
    case Phase::scheduled: return sandbox.running_since.has_value();
    default: return false;
  }
}

}  // namespace

void renew_ttl(model::Sandbox& sandbox, WallTime now) {
  sandbox.expires_at.reset();
  const std::int64_t ttl = sandbox.spec.ttl_seconds;
  if (ttl > 0) sandbox.expires_at = now + std::chrono::seconds(std::min(ttl, kTtlSecondsMax));
}

Result<SandboxRef> Decisions::find_wanted(const SandboxId& id) const {
  SandboxRef sandbox = state_.find(id);
  if (!sandbox) return sandbox_missing();
  if (sandbox->phase == Phase::deleting) return refused("being deleted", "deleting");
  return sandbox;
}

// Where a stock node is known to be one, nothing is promised that it cannot do.
Result<void> Decisions::check_node_can(const model::Sandbox& sandbox, LifeVerb verb) const {
  const auto stream = streams_.find(sandbox.node);
  if (stream == streams_.end() || !stream->second.polled) return {};
  return Error(ErrorCode::unsupported, "node " + sandbox.node.str() + " cannot " + std::string(to_string(verb)) +
                                           " a sandbox (a stock sandboxd-o node): use a sandboxd node");
}

void Decisions::send_life(const model::Sandbox& sandbox, LifeVerb verb) {
  wishes_[sandbox.id] = sandbox.revision;
  repeat_life(sandbox, verb);
}

void Decisions::repeat_life(const model::Sandbox& sandbox, LifeVerb verb) {
  // After a restart, the revision is at least that of the wish.
  const std::int64_t order = wishes_.try_emplace(sandbox.id, sandbox.revision).first->second;
  state_.release(SendLife{sandbox.id, sandbox.uid, sandbox.node, verb, order});
}

// The wish that was acknowledged last counts, whoever it was asked of.
bool Decisions::is_overtaken(const model::Sandbox& sandbox, const model::NodeSandboxStatus& status) const {
  if (!status.own_wish || !is_wished(sandbox)) return false;
  const auto ours = wishes_.find(sandbox.id);
  return status.order >= (ours == wishes_.end() ? sandbox.revision : ours->second);
}

SandboxRef Decisions::give_way(const model::Sandbox& sandbox) {
  model::Sandbox next = sandbox;
  const bool was_start = sandbox.phase == Phase::scheduled;
  next.desired = sandbox.phase == Phase::paused ? Desired::paused : was_start ? Desired::stopped : Desired::running;
  move(next, Event::wish_overtaken);
  return state_.put(std::move(next));
}

// At rest it wants what the node wants.
void Decisions::follow_desired(model::Sandbox& next, const model::NodeSandboxStatus& status) {
  if (!status.desired) return;
  const Desired wanted = *status.desired;
  const bool is_rest = (next.phase == Phase::running && wanted == Desired::running) ||
                       (next.phase == Phase::paused && wanted == Desired::paused) ||
                       (is_over(next.phase) && wanted != Desired::paused);
  if (is_rest) next.desired = wanted;
  if (is_rest) wishes_.erase(next.id);
}

Result<SandboxRef> Decisions::pause(const SandboxId& id) {
  SBX_TRY(sandbox, find_wanted(id));
  if (sandbox->phase == Phase::pausing || sandbox->phase == Phase::paused)
    return refused("already paused", "already_paused");
  if (sandbox->phase != Phase::running) return refused("not running", "not_running");
  SBX_CHECK(check_node_can(*sandbox, LifeVerb::pause));
  model::Sandbox next = *sandbox;
  move(next, Event::pause_asked);
  next.desired = Desired::paused;
  next.last_error.clear();
  const SandboxRef pausing = state_.put(std::move(next));
  send_life(*pausing, LifeVerb::pause);
  return pausing;
}

Result<SandboxRef> Decisions::resume_sandbox(const SandboxId& id) {
  SBX_TRY(sandbox, find_wanted(id));
  if (sandbox->phase != Phase::paused) return refused("not paused", "not_paused");
  if (sandbox->desired == Desired::running) return sandbox;
  model::Sandbox next = *sandbox;
  move(next, Event::resume_asked);
  next.desired = Desired::running;
  next.last_error.clear();
  const SandboxRef resuming = state_.put(std::move(next));
  send_life(*resuming, LifeVerb::resume);
  return resuming;
}

SandboxRef Decisions::begin_stop(const model::Sandbox& sandbox, Desired desired) {
  model::Sandbox next = sandbox;
  move(next, Event::stop_asked);
  next.desired = desired;
  if (next.spec.on_expiry == model::OnExpiry::stop) next.expires_at.reset();
  if (next.phase == Phase::stopped) next.ended_at = state_.wall_now();
  const SandboxRef stopping = state_.put(std::move(next));
  // A stock node can only take it away.
  if (stopping->phase != Phase::stopping) return stopping;
  if (check_node_can(*stopping, LifeVerb::stop)) {
    send_life(*stopping, LifeVerb::stop);
  } else {
    state_.release(SendRemove{stopping->id, stopping->uid, stopping->node});
  }
  return stopping;
}

Result<SandboxRef> Decisions::stop(const SandboxId& id) {
  SBX_TRY(sandbox, find_wanted(id));
  if (is_over(sandbox->phase)) return refused("already stopped", "already_stopped");
  if (sandbox->phase == Phase::stopping) {
    if (sandbox->desired == Desired::stopped) return sandbox;
    model::Sandbox next = *sandbox;
    next.desired = Desired::stopped;
    return state_.put(std::move(next));
  }
  if (!sandbox->node.empty()) SBX_CHECK(check_node_can(*sandbox, LifeVerb::stop));
  return begin_stop(*sandbox, Desired::stopped);
}

Result<SandboxRef> Decisions::start(const SandboxId& id) {
  SBX_TRY(sandbox, find_wanted(id));
  if (sandbox->phase == Phase::stopping) {
    model::Sandbox next = *sandbox;
    next.desired = Desired::running;
    return state_.put(std::move(next));
  }
  if (!is_over(sandbox->phase)) return refused("already running", "already_running");
  return begin_start(*sandbox);
}

Result<SandboxRef> Decisions::restart(const SandboxId& id) {
  SBX_TRY(sandbox, find_wanted(id));
  const bool has_begun = is_in_order(sandbox->phase) || sandbox->phase == Phase::creating;
  if (!has_begun) {
    // One that has not begun yet begins as it is.
    if (sandbox->phase == Phase::pending || sandbox->phase == Phase::scheduled) return sandbox;
    return start(id);
  }
  SBX_CHECK(check_node_can(*sandbox, LifeVerb::stop));
  return begin_stop(*sandbox, Desired::running);
}

Result<SandboxRef> Decisions::renew(const SandboxId& id, std::int64_t seconds) {
  SBX_TRY(sandbox, find_wanted(id));
  if (seconds <= 0 || seconds > kTtlSecondsMax) {
    return Error(ErrorCode::invalid_argument, "ttl_seconds must be from 1 to " + std::to_string(kTtlSecondsMax) +
                                                  ", not " + std::to_string(seconds));
  }
  model::Sandbox next = *sandbox;
  next.expires_at = state_.wall_now() + std::chrono::seconds(seconds);
  return state_.put(std::move(next));
}

Result<void> Decisions::check_room(const model::Sandbox& sandbox) {
  const NodeRef node = state_.find_node(sandbox.node);
  if (!node) {
    return Error(ErrorCode::unschedulable, "the node that has the sandbox's files is not registered")
        .with_reasons({"node " + sandbox.node.str() + ": not registered"});
  }
  sched::Request request = sched::request_of(sandbox);
  request.host_ports.clear();  // it has kept them
  for (const sched::Assessment& one : state_.cluster().assess(request, state_.mono_now())) {
    if (one.node != sandbox.node || !one.refusal) continue;
    return Error(ErrorCode::unschedulable,
                 "the node that has the sandbox's files cannot take it now: " + one.refusal->text)
        .with_reasons({one.refusal->text});
  }
  return {};
}

Result<SandboxRef> Decisions::begin_start(const model::Sandbox& sandbox) {
  if (sandbox.node.empty() || !sandbox.running_since) return start_anew(sandbox);
  if (!keeps_files(sandbox)) {
    return Error(ErrorCode::conflict,
                 "sandbox cannot be started again: its files went when it ended (on_expiry \"stop\" keeps them)")
        .with_reasons({"files_gone"});
  }
  SBX_CHECK(check_node_can(sandbox, LifeVerb::start));
  SBX_CHECK(check_room(sandbox));
  return start_there(sandbox);
}

SandboxRef Decisions::start_there(const model::Sandbox& sandbox) {
  model::Sandbox next = sandbox;
  move(next, Event::start_asked);
  next.desired = Desired::running;
  next.last_error.clear();
  next.reasons.clear();
  renew_ttl(next, state_.wall_now());
  const SandboxRef starting = state_.put(std::move(next));
  send_life(*starting, LifeVerb::start);
  return starting;
}

// No node has files of it.
SandboxRef Decisions::start_anew(const model::Sandbox& sandbox) {
  if (!sandbox.node.empty()) state_.release(SendRemove{sandbox.id, sandbox.uid, sandbox.node});
  model::Sandbox next = sandbox;
  move(next, Event::start_anew_asked);
  next.uid = draw_uid();
  next.desired = Desired::running;
  next.node = NodeId();
  next.ports.clear();
  next.ip.clear();
  next.external.clear();
  next.containers.clear();
  next.last_error.clear();
  next.running_since.reset();
  next.ended_at.reset();
  renew_ttl(next, state_.wall_now());
  const sched::Decision decision = find_place(next, limits::kReasonsMax);
  next.reasons =
      decision.placed() ? std::vector<std::string>() : sched::lines_of(decision.refusals, state_.cluster().size());
  const SandboxRef waiting = state_.put(std::move(next));
  if (!try_place(*waiting, decision) && fails_at_once()) give_up(*waiting, waiting->reasons);
  return state_.find(waiting->id);
}

// A stop that was the first half of a restart. It has had its room until now.
void Decisions::go_on_after_stop(const model::Sandbox& stopped) {
  if (stopped.running_since) {
    start_there(stopped);
  } else {
    start_anew(stopped);
  }
}

void Decisions::take_up_life(const model::Sandbox& sandbox) {
  switch (sandbox.phase) {
    case Phase::pausing: return repeat_life(sandbox, LifeVerb::pause);
    case Phase::paused:
      if (sandbox.desired == Desired::running) repeat_life(sandbox, LifeVerb::resume);
      return;
    case Phase::stopping: return repeat_life(sandbox, LifeVerb::stop);
    case Phase::scheduled:
      if (sandbox.running_since) repeat_life(sandbox, LifeVerb::start);
      return;
    default: return;
  }
}

// Of the life before the start that is under way: it says nothing about the new one.
bool Decisions::is_old_end(const model::Sandbox& sandbox, const model::NodeSandboxStatus& status) {
  const bool is_starting = sandbox.phase == Phase::scheduled || sandbox.phase == Phase::creating;
  return is_starting && is_over(status.phase) && sandbox.ended_at && status.ended_at == sandbox.ended_at;
}

void Decisions::observe_life(const LifeDone& done) {
  const SandboxRef sandbox = state_.find(done.id);
  if (!sandbox || sandbox->uid != done.uid || sandbox->node != done.node) return;
  model::Sandbox next = *sandbox;
  if (done.outcome) {
    if (done.verb != LifeVerb::start || sandbox->phase != Phase::scheduled) return;
    move(next, Event::create_accepted);
    state_.put(std::move(next));
    return;
  }
  const Error& error = done.outcome.error();
  next.last_error = error.message().substr(0, limits::kErrorTextMax);
  if (done.verb == LifeVerb::pause && sandbox->phase == Phase::pausing) {
    move(next, Event::pause_refused);
    next.desired = Desired::running;
  } else if (done.verb == LifeVerb::resume && sandbox->phase == Phase::paused) {
    next.desired = Desired::paused;
  } else if (done.verb == LifeVerb::start && sandbox->phase == Phase::scheduled && sandbox->running_since) {
    move(next, Event::start_refused);
    next.desired = Desired::stopped;
  } else if (done.verb == LifeVerb::stop && sandbox->phase == Phase::stopping) {
    // Not there any more: stopped is what was wanted. Or it cannot: then it is taken away.
    if (error.code() == ErrorCode::not_found) return lose(*sandbox);
    state_.release(SendRemove{sandbox->id, sandbox->uid, sandbox->node});
  } else {
    return;
  }
  state_.put(std::move(next));
}

}  // namespace sandboxd::orch
