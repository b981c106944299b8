// Finding a sandbox by what people call it, and waiting until it runs.
#include "aio/deadline.hpp"
#include "orch/engine.hpp"
#include "orch/service.hpp"

#include <optional>
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

// What came of its start; nothing while it is on its way.
std::optional<Result<SandboxRef>> outcome(const SandboxRef& sandbox) {
  switch (sandbox->phase) {
    case Phase::running:
    case Phase::pausing:
    case Phase::paused: return sandbox;
    case Phase::failed:
    case Phase::stopped: {
      const bool is_told = !sandbox->last_error.empty();
      return Error(ErrorCode::internal, is_told ? sandbox->last_error : "the sandbox ended as soon as it had started");
    }
    case Phase::deleting: return Error(ErrorCode::not_found, "sandbox not found");
    default: return std::nullopt;
  }
}

Task<Result<SandboxRef>> until_started(std::shared_ptr<WatchStream> stream) {
  for (;;) {
    const auto event = co_await stream->next();
    if (!event) co_return Error(ErrorCode::unavailable, "the control plane is stopping; try again");
    if (event->kind == WatchKind::sandbox_gone) co_return Error(ErrorCode::not_found, "sandbox not found");
    if (!event->sandbox) continue;
    if (auto result = outcome(event->sandbox)) co_return *std::move(result);
  }
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
  WatchFilter filter;
  filter.sandbox = id;
  filter.nodes = false;
  // The stream first, so that nothing falls between the look and the wait.
  SBX_CO_TRY(stream, co_await watch(std::nullopt, std::move(filter)));
  SBX_CO_TRY(now, co_await get(id));
  if (auto result = outcome(now)) co_return *std::move(result);
  auto waiting = until_started(std::move(stream));
  auto started = co_await aio::with_deadline(*clock_, limit, std::move(waiting), "start of the sandbox");
  if (started || started.error().code() != ErrorCode::deadline_exceeded) co_return started;
  SBX_CO_TRY(last, co_await describe(id));
  if (!last->last_error.empty()) co_return Error(ErrorCode::deadline_exceeded, last->last_error);
  if (!last->reasons.empty()) co_return Error(ErrorCode::unschedulable, "no node fits").with_reasons(last->reasons);
  co_return started;
}

}  // namespace sandboxd::orch
