// Finding a sandbox by what people call it, and waiting until it runs.
#include "orch/engine.hpp"
#include "orch/service.hpp"

#include <set>
#include <utility>

namespace sandboxd::orch {
namespace {

using model::Phase;

constexpr std::size_t kIdPrefixMin = 12;  // of an id, where its beginning stands for it

Result<SandboxRef> find(const State& state, const std::string& reference, const std::string& owner) {
  if (const SandboxRef sandbox = state.find(SandboxId(reference))) return sandbox;
  if (const SandboxRef sandbox = state.find_named(owner, reference)) return sandbox;
  if (reference.size() >= kIdPrefixMin) {
    const auto& all = state.sandboxes();
    auto at = all.lower_bound(SandboxId(reference));
    if (at != all.end() && at->first.str().starts_with(reference)) {
      const SandboxRef found = at->second;
      if (++at == all.end() || !at->first.str().starts_with(reference)) return found;
    }
  }
  return Error(ErrorCode::not_found, "sandbox not found");
}

}  // namespace

Task<Result<SandboxRef>> SandboxService::resolve(std::string reference, std::string owner) {
  std::function<Result<SandboxRef>(Engine&)> look = [reference = std::move(reference),
                                                     owner = std::move(owner)](Engine& engine) {
    return find(engine.state(), reference, owner);
  };
  return engine_->read<SandboxRef>(std::move(look));
}

Task<Result<SandboxRef>> SandboxService::wait_running(SandboxId id, Duration limit) {
  const std::set ends{Phase::running, Phase::pausing, Phase::paused, Phase::failed, Phase::stopped};
  auto ended = co_await wait_phase(id, ends, limit);
  if (!ended && ended.error().code() == ErrorCode::deadline_exceeded) {
    SBX_CO_TRY(last, co_await describe(id));
    if (!last->reasons.empty()) co_return Error(ErrorCode::unschedulable, "no node fits").with_reasons(last->reasons);
  }
  if (!ended) co_return ended;
  const model::Sandbox& sandbox = **ended;
  if (sandbox.phase != Phase::failed && sandbox.phase != Phase::stopped) co_return ended;
  const bool is_told = !sandbox.last_error.empty();
  co_return Error(ErrorCode::internal, is_told ? sandbox.last_error : "it ended as soon as it had started");
}

}  // namespace sandboxd::orch
