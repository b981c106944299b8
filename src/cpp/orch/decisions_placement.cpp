// Who gets which node, and who waits.
//
// Who does not fit waits, and is tried again as soon as something has changed that could help. The rule of the queue:
// owners take turns and the oldest of each goes first, but one that does not fit holds up nobody. So that small ones do
// not starve a large one for ever, those who have waited longest hold a node each after a time (patience()): the node
// that lacks least for them takes nobody else until they fit or give up. So a large one that could run on some node
// waits at most for what runs on that node, and a small one is kept from a few nodes only.
#include "base/assert.hpp"
#include "lifecycle/sandbox_fsm.hpp"
#include "orch/decisions.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

using model::Phase;

constexpr std::size_t kAttemptsPerTurn = 1024;  // of the pending queue
constexpr Duration kPatienceMax = std::chrono::seconds(10);
constexpr std::size_t kHoldsMax = 8;
constexpr std::size_t kNodesPerHold = 16;       // at least: holds never take more than this part of a large cluster
constexpr std::size_t kHoldersConsidered = 32;  // at a time: finding a node to hold looks at all nodes
constexpr const char* kInfeasible = "no feasible schedulable node for selector/resources/ports";

void move(model::Sandbox& sandbox, lifecycle::Event event) {
  const auto phase = lifecycle::next(sandbox.phase, event);
  SBX_ASSERT(phase.has_value());
  sandbox.phase = *phase;
}

}  // namespace

// In mode "fail", apart from the first moments after a start, when nodes have not reported yet.
bool Decisions::fails_at_once() const {
  return config_.place_or_fail == "fail" && (state_.mono_now() >= warm_at_ || state_.nodes().empty());
}

sched::Decision Decisions::find_place(const model::Sandbox& sandbox, std::size_t refusals_max) {
  const sched::Request request = sched::request_of(sandbox);
  const auto hold = holds_.find(sandbox.id);
  if (hold != holds_.end() && hold->second.uid == sandbox.uid &&
      state_.cluster().fits_held(hold->second.node, request, state_.mono_now())) {
    sched::Decision decision;
    decision.node = hold->second.node;
    return decision;
  }
  return state_.cluster().place(request, state_.mono_now(), refusals_max);
}

bool Decisions::try_place(const model::Sandbox& sandbox, const sched::Decision& decision) {
  if (!decision.placed()) return false;
  const auto ports = state_.cluster().choose_ports(decision.node, sched::request_of(sandbox), state_.mono_now());
  if (!ports) return false;
  const NodeRef node = state_.find_node(decision.node);
  model::Sandbox next = sandbox;
  move(next, lifecycle::Event::placed);
  next.node = decision.node;
  next.external = node->external.empty() ? "(none)" : node->external;
  std::erase_if(next.reasons, [](const std::string& line) { return !is_port_refusal(line); });
  for (std::size_t n = 0; n < ports->size(); ++n) {
    model::PublishedPort port;
    port.host_port = (*ports)[n];
    port.container_port = sandbox.spec.ports[n].container_port;
    port.protocol = sandbox.spec.ports[n].protocol();
    next.ports.push_back(port);
  }
  ++placements_;
  state_.release(SendCreate{state_.put(std::move(next))});
  return true;
}

void Decisions::give_up(const model::Sandbox& sandbox, std::vector<std::string> reasons) {
  model::Sandbox next = sandbox;
  move(next, lifecycle::Event::given_up);
  next.last_error = kInfeasible;
  next.reasons = std::move(reasons);
  state_.put(std::move(next));
}

// Oldest first: one that waited too long is failed with the reasons of now.
void Decisions::give_up_overdue() {
  for (std::size_t given_up = 0; given_up < kAttemptsPerTurn; ++given_up) {
    const auto oldest = state_.queue().oldest();
    if (!oldest || give_up_time(oldest->first) > state_.mono_now()) return;
    const SandboxRef sandbox = state_.find(oldest->second);
    const auto decision = find_place(*sandbox, kReasonsStoredMax);
    if (!try_place(*sandbox, decision)) give_up(*sandbox, sched::lines_of(decision.refusals, state_.cluster().size()));
  }
}

void Decisions::place_pending() {
  state_.cluster().expire_ports(state_.mono_now());
  give_up_overdue();
  update_holds();
  if (!has_more_to_place()) {
    if (state_.queue().empty() || state_.cluster().gains() == gains_tried_) return;
    gains_tried_ = state_.cluster().gains();
    waiting_ = state_.queue().fair_order();
    next_waiting_ = 0;
  }
  for (std::size_t attempts = 0; attempts < kAttemptsPerTurn && has_more_to_place(); ++attempts) {
    const SandboxRef sandbox = state_.find(waiting_[next_waiting_++]);
    if (!sandbox || sandbox->phase != Phase::pending) continue;
    try_place(*sandbox, find_place(*sandbox, 0));
  }
  drop_stale_holds();
}

Duration Decisions::patience() const { return std::min(kPatienceMax, config_.place_deadline / 4); }

// A hold ends with the wait of its sandbox, and when its node could not take it any more even if it were empty.
void Decisions::drop_stale_holds() {
  for (auto hold = holds_.begin(); hold != holds_.end();) {
    const SandboxRef sandbox = state_.find(hold->first);
    const bool waits = sandbox && sandbox->uid == hold->second.uid && sandbox->phase == Phase::pending;
    if (waits && state_.cluster().could_take(hold->second.node, sched::request_of(*sandbox))) {
      ++hold;
      continue;
    }
    state_.cluster().hold(hold->second.node, false);
    hold = holds_.erase(hold);
  }
}

// When somebody has waited long enough to be considered for the first time.
std::optional<MonoTime> Decisions::next_hold_time() const {
  if (config_.place_or_fail == "fail") return std::nullopt;
  const auto next = state_.queue().first_after(holds_checked_ + -patience());
  if (!next) return std::nullopt;
  return next->first + patience();
}

void Decisions::update_holds() {
  drop_stale_holds();
  if (config_.place_or_fail == "fail") return;
  const auto due = next_hold_time();
  if ((!due || *due > state_.mono_now()) && state_.cluster().gains() == holds_gains_) return;
  const std::size_t holds_max = std::clamp<std::size_t>(state_.cluster().size() / kNodesPerHold, 1, kHoldsMax);
  std::size_t considered = 0;
  for (const auto& [since, id] : state_.queue().by_age()) {
    if (holds_.size() >= holds_max || since + patience() > state_.mono_now()) break;
    if (holds_.contains(id)) continue;
    if (++considered > kHoldersConsidered) break;
    const SandboxRef sandbox = state_.find(id);
    const auto node = state_.cluster().nearest(sched::request_of(*sandbox));
    if (!node) continue;
    state_.cluster().hold(*node, true);
    holds_.emplace(id, Hold{sandbox->uid, *node});
  }
  holds_checked_ = state_.mono_now();
  holds_gains_ = state_.cluster().gains();
}

MonoTime Decisions::give_up_time(MonoTime since) const {
  return config_.place_or_fail == "fail" ? std::max(since, warm_at_) : since + config_.place_deadline;
}

}  // namespace sandboxd::orch
