// Users' wishes. Placement is in decisions_placement.cpp.
#include "orch/decisions.hpp"

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "lifecycle/sandbox_fsm.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

using model::Phase;

constexpr std::size_t kUidLength = 32;
constexpr std::int64_t kTtlSecondsMax = std::int64_t{100} * 365 * 24 * 3600;

constexpr Log kLog("orch");
Error sandbox_missing() { return {ErrorCode::not_found, "sandbox not found"}; }
Error node_missing() { return {ErrorCode::not_found, "node not found"}; }

Result<void> check_labels(const model::Labels& labels, const std::string& owner, const std::string& member) {
  if (labels.size() > limits::kLabelsMax) {
    return Error(ErrorCode::invalid_argument,
                 owner + " has at most " + std::to_string(limits::kLabelsMax) + " " + member);
  }
  for (const auto& [key, value] : labels) {
    if (key.size() > limits::kLabelLengthMax || value.size() > limits::kLabelLengthMax) {
      return Error(ErrorCode::invalid_argument,
                   member + ": a key or value is longer than " + std::to_string(limits::kLabelLengthMax) + " bytes");
    }
  }
  return {};
}

// Moves `sandbox` along the table; the caller knows that the move exists.
void move(model::Sandbox& sandbox, lifecycle::Event event) {
  const auto phase = lifecycle::next(sandbox.phase, event);
  SBX_ASSERT(phase.has_value());
  sandbox.phase = *phase;
}

}  // namespace

Decisions::Decisions(State& state, const OrchConfig& config, std::string instance, std::uint64_t seed)
    : state_(state), config_(config), instance_(std::move(instance)), random_(seed) {}

// A node that was lost from the database. Nothing is decided for its sandboxes: registered again, it has them still.
void Decisions::name_missing_nodes() const {
  std::set<NodeId> missing;
  std::size_t sandboxes = 0;
  for (const auto& [id, sandbox] : state_.sandboxes()) {
    if (sandbox->node.empty() || state_.find_node(sandbox->node)) continue;
    missing.insert(sandbox->node);
    ++sandboxes;
  }
  if (missing.empty()) return;
  kLog.warn("sandboxes are on nodes that the database does not have: register those nodes again",
            {{"nodes", first_names(missing)}, {"sandboxes", sandboxes}});
}

void Decisions::resume(MonoTime now) {
  name_missing_nodes();
  warm_at_ = now + liveness::kReportTtl;
  news_.begin(now + liveness::kReportTermMax);
  for (const auto& [id, node] : state_.nodes()) {
    heartbeats_.renew(id, now, liveness::report_term(state_.nodes().size(), random_.next()));
    state_.release(OpenNode{id, node->address});
  }
  // What is on a node, and what never reached it, is seen when its stream has named everything: creates wait for that,
  // since an earlier life of the id may have to go first.
  for (const auto& [id, sandbox] : state_.sandboxes()) {
    if (sandbox->phase == Phase::deleting) state_.release(SendRemove{id, sandbox->uid, sandbox->node});
    take_up_life(*sandbox);
  }
  for (const auto& [id, node] : state_.nodes()) {
    if (node->removing) go_on_removing(id);
  }
}

Result<SandboxRef> Decisions::create(const CreateSandbox& request) {
  if (!model::is_valid_name(request.id.str(), limits::kSandboxIdLengthMax)) {
    return Error(ErrorCode::invalid_argument, "id contains unsupported characters");
  }
  const std::string& name = request.name.empty() ? request.id.str() : request.name;
  SBX_CHECK(model::validate_spec(request.spec));
  SBX_CHECK(check_labels(request.spec.labels, "a sandbox", "labels"));
  if (state_.find(request.id)) {
    return Error(ErrorCode::already_exists, "sandbox " + request.id.str() + " already exists");
  }
  if (state_.name_taken(request.owner, name)) {
    return Error(ErrorCode::already_exists, "a sandbox named " + name + " already exists");
  }

  model::Sandbox sandbox;
  sandbox.id = request.id;
  sandbox.uid = draw_uid();
  sandbox.name = name;
  sandbox.owner = request.owner;
  sandbox.dialect = request.dialect;
  sandbox.spec = request.spec;
  sandbox.created_at = state_.wall_now();
  if (request.spec.ttl_seconds > 0) {
    sandbox.expires_at = sandbox.created_at + std::chrono::seconds(std::min(request.spec.ttl_seconds, kTtlSecondsMax));
  }
  // Those who wait go first when capacity has just come free.
  const bool must_queue = !state_.queue().empty() && state_.cluster().gains() != gains_tried_;
  sched::Decision decision;
  if (!must_queue) {
    decision = find_place(sandbox, kReasonsStoredMax);
    if (!decision.placed()) sandbox.reasons = sched::lines_of(decision.refusals, state_.cluster().size());
  }
  const SandboxRef accepted = state_.put(std::move(sandbox));
  if (must_queue || try_place(*accepted, decision)) return accepted;
  if (fails_at_once()) give_up(*accepted, accepted->reasons);
  return accepted;
}

std::string Decisions::draw_uid() { return instance_ + random_.hex(kUidLength - instance_.size()); }

Result<void> Decisions::remove(const SandboxId& id) {
  const SandboxRef sandbox = state_.find(id);
  if (!sandbox) return sandbox_missing();
  if (sandbox->phase != Phase::deleting) begin_delete(*sandbox, "");
  return {};
}

void Decisions::begin_delete(const model::Sandbox& sandbox, const std::string& why) {
  model::Sandbox next = sandbox;
  move(next, lifecycle::Event::delete_asked);
  next.desired = model::Desired::deleted;
  next.last_error = why;
  const SandboxRef deleting = state_.put(std::move(next));
  if (deleting->node.empty() || !state_.find_node(deleting->node)) {
    state_.erase(deleting->id);
  } else {
    state_.release(SendRemove{deleting->id, deleting->uid, deleting->node});
  }
}

void Decisions::expire_sandboxes() {
  for (;;) {
    const auto due = state_.next_expiry();
    if (!due || due->first > state_.wall_now()) return;
    const SandboxRef sandbox = state_.find(due->second);
    const bool is_time_over = sandbox->expires_at && *sandbox->expires_at <= state_.wall_now();
    if (sandbox->phase == Phase::failed && !is_time_over) {
      begin_delete(*sandbox, sandbox->last_error);  // kept for long enough
    } else if (sandbox->spec.on_expiry == model::OnExpiry::stop) {
      begin_stop(*sandbox, model::Desired::stopped);
    } else {
      begin_delete(*sandbox, "ttl expired");
    }
  }
}

Result<std::vector<std::string>> Decisions::explain(const SandboxId& id, std::size_t lines_max) {
  const SandboxRef sandbox = state_.find(id);
  if (!sandbox) return sandbox_missing();
  if (sandbox->phase != Phase::pending) return sandbox->reasons;
  const auto decision = find_place(*sandbox, lines_max);
  if (decision.placed()) return std::vector<std::string>();
  return sched::lines_of(decision.refusals, state_.cluster().size());
}

Result<NodeRef> Decisions::upsert_node(const UpsertNode& request) {
  if (request.id.empty()) return Error(ErrorCode::invalid_argument, "id is required");
  SBX_CHECK(model::validate_address(request.address));
  if (!model::is_valid_object_id(request.id.str())) {
    return Error(ErrorCode::invalid_argument, "id contains unsupported characters");
  }
  SBX_CHECK(check_labels(request.labels, "a node", "metadata.labels"));
  const NodeRef known = state_.find_node(request.id);
  if (!known && state_.nodes().size() >= limits::kNodesMax) {
    return Error(ErrorCode::resource_exhausted,
                 "at most " + std::to_string(limits::kNodesMax) + " nodes can be registered");
  }
  model::Node node = known ? *known : model::Node();
  if (!known) {
    node.id = request.id;
    node.created_at = state_.wall_now();
  }
  node.address = request.address;
  node.labels = request.labels;
  node.unschedulable = request.unschedulable;
  if (known && *known == node) return known;
  node.updated_at = state_.wall_now();  // of what was asked for: health does not move it
  if (known && known->address != node.address) node.last_error.clear();  // it was about another place
  const NodeRef stored = state_.put_node(std::move(node));
  if (!known || known->address != stored->address) {
    heartbeats_.renew(stored->id, state_.mono_now(), liveness::report_term(state_.nodes().size(), random_.next()));
    state_.release(OpenNode{stored->id, stored->address});
  }
  return stored;
}

Result<NodeRef> Decisions::patch_node(const NodeId& id, const PatchNode& patch) {
  const NodeRef known = state_.find_node(id);
  if (!known) return node_missing();
  if (patch.labels.contains("")) return Error(ErrorCode::invalid_argument, "metadata.labels key is required");
  model::Node node = *known;
  node.unschedulable = patch.unschedulable.value_or(node.unschedulable);
  for (const auto& [key, value] : patch.labels) {
    if (value) {
      node.labels[key] = *value;
    } else {
      node.labels.erase(key);
    }
  }
  SBX_CHECK(check_labels(node.labels, "a node", "metadata.labels"));
  if (node == *known) return known;
  node.updated_at = state_.wall_now();
  return state_.put_node(std::move(node));
}

}  // namespace sandboxd::orch
