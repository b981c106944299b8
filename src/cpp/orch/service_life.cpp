// SandboxService: what is wanted of a sandbox that exists.
#include "aio/deadline.hpp"
#include "orch/engine.hpp"
#include "orch/service.hpp"

#include <utility>

namespace sandboxd::orch {
namespace {

using Decide = Result<SandboxRef> (Decisions::*)(const SandboxId&);

Task<Result<SandboxRef>> write(Engine& engine, SandboxId id, Decide decide) {
  std::function<Result<SandboxRef>(Engine&)> turn = [id = std::move(id), decide](Engine& in) {
    return (in.decisions().*decide)(id);
  };
  return engine.write<SandboxRef>(std::move(turn));
}

Task<Result<SandboxRef>> until_phase(std::shared_ptr<WatchStream> stream, std::set<model::Phase> phases) {
  for (;;) {
    const auto event = co_await stream->next();
    if (!event) co_return Error(ErrorCode::unavailable, "the control plane is stopping; try again");
    if (event->kind == WatchKind::sandbox_gone) co_return Error(ErrorCode::not_found, "sandbox not found");
    if (event->sandbox && phases.contains(event->sandbox->phase)) co_return event->sandbox;
  }
}

}  // namespace

Task<Result<SandboxRef>> SandboxService::pause(SandboxId id) {
  return write(*engine_, std::move(id), &Decisions::pause);
}
Task<Result<SandboxRef>> SandboxService::resume(SandboxId id) {
  return write(*engine_, std::move(id), &Decisions::resume_sandbox);
}
Task<Result<SandboxRef>> SandboxService::stop(SandboxId id) { return write(*engine_, std::move(id), &Decisions::stop); }
Task<Result<SandboxRef>> SandboxService::start(SandboxId id) {
  return write(*engine_, std::move(id), &Decisions::start);
}
Task<Result<SandboxRef>> SandboxService::restart(SandboxId id) {
  return write(*engine_, std::move(id), &Decisions::restart);
}

Task<Result<SandboxRef>> SandboxService::renew(SandboxId id, std::int64_t seconds) {
  std::function<Result<SandboxRef>(Engine&)> turn = [id = std::move(id), seconds](Engine& in) {
    return in.decisions().renew(id, seconds);
  };
  return engine_->write<SandboxRef>(std::move(turn));
}

Task<Result<SandboxRef>> SandboxService::wait_phase(SandboxId id, std::set<model::Phase> phases, Duration limit) {
  WatchFilter filter;
  filter.sandbox = id;
  filter.nodes = false;
  // The stream first, so that nothing falls between the look and the wait.
  SBX_CO_TRY(stream, co_await watch(std::nullopt, std::move(filter)));
  SBX_CO_TRY(now, co_await get(id));
  if (phases.contains(now->phase)) co_return now;
  auto waiting = until_phase(stream, std::move(phases));
  auto came = co_await aio::with_deadline(*clock_, limit, std::move(waiting), "wait for the sandbox");
  if (came || came.error().code() != ErrorCode::deadline_exceeded) co_return came;
  const auto last = co_await get(id);
  if (!last || (*last)->last_error.empty()) co_return came;
  co_return Error(ErrorCode::deadline_exceeded, (*last)->last_error);
}

}  // namespace sandboxd::orch
