// Users' wishes about other things than the life of one sandbox: idempotency keys, Externals.
#include "base/limits.hpp"
#include "orch/decisions.hpp"

#include <set>
#include <utility>

namespace sandboxd::orch {
namespace {

Error conflict(const std::string& what) { return {ErrorCode::conflict, "external object conflict: " + what}; }

}  // namespace

Result<OnceAnswer> Decisions::create_once(const CreateSandbox& request, const OnceKey& once, const Render& render) {
  KeptAnswers& answers = state_.answers();
  if (const auto kept = answers.find(request.owner, once.key, state_.wall_now())) {
    if (kept->fingerprint != once.fingerprint) {
      return Error(ErrorCode::conflict,
                   "the idempotency key \"" + once.key +
                       "\" belongs to another request: repeat that one unchanged, or use a new key");
    }
    return OnceAnswer{kept->text, true};
  }
  SBX_TRY(sandbox, create(request));
  model::KeptAnswer answer;
  answer.owner = request.owner;
  answer.key = once.key;
  answer.fingerprint = once.fingerprint;
  answer.text = render(*sandbox);
  answer.created_at = state_.wall_now();
  OnceAnswer out{answer.text, false};
  answers.put(std::move(answer), state_.wall_now());
  return out;
}

Result<void> Decisions::bind_external(const BindExternal& request) {
  if (!model::is_valid_object_id(request.id)) {
    return Error(ErrorCode::invalid_argument, "external id contains unsupported characters");
  }
  if (request.external.size() > limits::kLabelLengthMax) {
    return Error(ErrorCode::invalid_argument,
                 "spec.external is longer than " + std::to_string(limits::kLabelLengthMax) + " bytes");
  }
  const NodeRef node = state_.find_node(request.node);
  if (!node) return Error(ErrorCode::invalid_argument, "referenced node not found");
  const auto bound = state_.externals().find(request.id);
  if (bound != state_.externals().end() && bound->second != request.node) {
    return conflict("external id " + request.id + " already bound to node " + bound->second.str());
  }
  if (!node->external_id.empty() && node->external_id != request.id) {
    return conflict("node " + request.node.str() + " already bound to external id " + node->external_id);
  }
  if (node->external_id == request.id && node->external == request.external) return {};
  model::Node next = *node;
  if (next.external_id.empty()) next.external_created_at = state_.wall_now();
  next.external_id = request.id;
  next.external = request.external;
  next.external_updated_at = state_.wall_now();
  set_external(std::move(next));
  return {};
}

Result<void> Decisions::unbind_external(const std::string& id) {
  const auto bound = state_.externals().find(id);
  if (bound == state_.externals().end()) return Error(ErrorCode::not_found, "external not found");
  model::Node next = *state_.find_node(bound->second);
  next.external_id.clear();
  next.external = "(none)";
  next.external_created_at.reset();
  next.external_updated_at.reset();
  set_external(std::move(next));
  return {};
}

void Decisions::set_external(model::Node next) {
  const NodeRef node = state_.put_node(std::move(next));
  const std::set<SandboxId> there = state_.on_node(node->id);
  for (const SandboxId& id : there) {
    model::Sandbox sandbox = *state_.find(id);
    if (sandbox.phase == model::Phase::deleting || sandbox.external == node->external) continue;
    sandbox.external = node->external;
    state_.put(std::move(sandbox));
  }
}

}  // namespace sandboxd::orch
