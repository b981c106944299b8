#include "orch/service.hpp"

#include "aio/deadline.hpp"
#include "base/limits.hpp"
#include "orch/engine.hpp"

#include <utility>

namespace sandboxd::orch {
namespace {

// Waits for an event that satisfies `done`.
template <class Predicate>
Task<Result<void>> until(std::shared_ptr<WatchStream> stream, Predicate done) {
  for (;;) {
    const auto event = co_await stream->next();
    if (!event) co_return Error(ErrorCode::unavailable, "the control plane is stopping; try again");
    if (done(*event)) co_return Result<void>();
  }
}

struct IsGone {
  bool operator()(const WatchEvent& event) const { return event.kind == WatchKind::sandbox_gone; }
};

// The node's first word, or that it did not give one.
struct HasAnswered {
  NodeId node;
  bool operator()(const WatchEvent& event) const {
    if (!event.node || event.node->id != node) return false;
    return event.kind == WatchKind::node_gone || event.node->state == model::NodeState::ready ||
           !event.node->last_error.empty();
  }
};

}  // namespace

SandboxService::SandboxService(Engine& engine, ports::NodeTransport& transport, ports::Clock& clock)
    : engine_(&engine), transport_(&transport), clock_(&clock) {}

Task<Result<SandboxRef>> SandboxService::create(CreateSandbox request) {
  std::function<Result<SandboxRef>(Engine&)> decide = [request = std::move(request)](Engine& engine) {
    return engine.decisions().create(request);
  };
  return engine_->write<SandboxRef>(std::move(decide));
}

Task<Result<OnceAnswer>> SandboxService::create_once(CreateSandbox request, OnceKey once, Render render) {
  std::function<Result<OnceAnswer>(Engine&)> decide = [request = std::move(request), once = std::move(once),
                                                       render = std::move(render)](Engine& engine) {
    return engine.decisions().create_once(request, once, render);
  };
  return engine_->write<OnceAnswer>(std::move(decide));
}

Task<Result<SandboxRef>> SandboxService::describe(SandboxId id) {
  std::function<Result<SandboxRef>(Engine&)> look = [id = std::move(id)](Engine& engine) -> Result<SandboxRef> {
    const SandboxRef sandbox = engine.state().find(id);
    if (!sandbox) return Error(ErrorCode::not_found, "sandbox not found");
    if (sandbox->phase != model::Phase::pending) return sandbox;
    SBX_TRY(reasons, engine.decisions().explain(id, limits::kReasonsMax));
    auto explained = std::make_shared<model::Sandbox>(*sandbox);
    explained->reasons = std::move(reasons);
    return SandboxRef(std::move(explained));
  };
  return engine_->read<SandboxRef>(std::move(look));
}

Task<Result<SandboxRef>> SandboxService::get(SandboxId id) {
  std::function<Result<SandboxRef>(Engine&)> look = [id = std::move(id)](Engine& engine) -> Result<SandboxRef> {
    const SandboxRef sandbox = engine.state().find(id);
    if (!sandbox) return Error(ErrorCode::not_found, "sandbox not found");
    return sandbox;
  };
  return engine_->read<SandboxRef>(std::move(look));
}

Task<Result<void>> SandboxService::remove(SandboxId id) {
  std::function<Result<void>(Engine&)> decide = [id = std::move(id)](Engine& engine) {
    return engine.decisions().remove(id);
  };
  return engine_->write<void>(std::move(decide));
}

Task<Result<void>> SandboxService::wait_gone(SandboxId id, Duration limit) {
  WatchFilter filter;
  filter.sandbox = id;
  filter.nodes = false;
  // The stream first, so that nothing falls between the look and the wait.
  SBX_CO_TRY(stream, co_await watch(std::nullopt, std::move(filter)));
  auto present = co_await get(id);
  if (!present && present.error().code() == ErrorCode::not_found) co_return Result<void>();
  if (!present) co_return present.error();
  auto waiting = until(stream, IsGone{});
  auto gone = co_await aio::with_deadline(*clock_, limit, std::move(waiting), "delete sandbox");
  if (gone || gone.error().code() != ErrorCode::deadline_exceeded) co_return gone;
  auto last = co_await get(id);
  if (!last && last.error().code() == ErrorCode::not_found) co_return Result<void>();
  if (!last || (*last)->last_error.empty()) co_return gone;
  co_return Error(ErrorCode::deadline_exceeded, (*last)->last_error);
}

Task<Result<std::vector<std::string>>> SandboxService::explain(SandboxId id) {
  std::function<Result<std::vector<std::string>>(Engine&)> look = [id = std::move(id)](Engine& engine) {
    return engine.decisions().explain(id);
  };
  return engine_->read<std::vector<std::string>>(std::move(look));
}

Task<Result<NodeRef>> SandboxService::upsert_node(UpsertNode request, Duration settle) {
  const NodeId id = request.id;
  std::function<Result<NodeRef>(Engine&)> decide = [request = std::move(request)](Engine& engine) {
    return engine.decisions().upsert_node(request);
  };
  SBX_CO_TRY(stored, co_await engine_->write<NodeRef>(std::move(decide)));
  if (stored->state == model::NodeState::ready || settle.count() <= 0) co_return stored;
  WatchFilter filter;
  filter.sandboxes = false;
  auto stream = co_await watch(stored->revision, std::move(filter));
  if (!stream) co_return stored;  // it is stored: that it cannot be watched is no failure of this call
  HasAnswered has_answered;
  has_answered.node = id;
  auto waiting = until(*stream, std::move(has_answered));
  const auto settled = co_await aio::with_deadline(*clock_, settle, std::move(waiting), "node report");
  static_cast<void>(settled);
  auto now = co_await get_node(id);
  co_return now;
}

Task<Result<NodeRef>> SandboxService::get_node(NodeId id) {
  std::function<Result<NodeRef>(Engine&)> look = [id = std::move(id)](Engine& engine) -> Result<NodeRef> {
    const NodeRef node = engine.state().find_node(id);
    if (!node) return Error(ErrorCode::not_found, "node not found");
    return node;
  };
  return engine_->read<NodeRef>(std::move(look));
}

Task<Result<NodeRef>> SandboxService::patch_node(NodeId id, PatchNode patch) {
  std::function<Result<NodeRef>(Engine&)> decide = [id = std::move(id), patch = std::move(patch)](Engine& engine) {
    return engine.decisions().patch_node(id, patch);
  };
  return engine_->write<NodeRef>(std::move(decide));
}

Task<Result<void>> SandboxService::delete_node(NodeId id, bool force) {
  if (force) {
    std::function<Result<void>(Engine&)> decide = [id](Engine& engine) { return engine.decisions().forget_node(id); };
    co_return co_await engine_->write<void>(std::move(decide));
  }
  WatchFilter filter;
  filter.sandboxes = false;
  // The stream first, so that the end does not come before the wait for it.
  SBX_CO_TRY(stream, co_await watch(std::nullopt, filter));
  std::function<Result<NodeRef>(Engine&)> decide = [id](Engine& engine) {
    return engine.decisions().begin_node_removal(id);
  };
  SBX_CO_TRY(removing, co_await engine_->write<NodeRef>(std::move(decide)));
  for (;;) {
    const auto event = co_await stream->next();
    if (!event) {
      // The control plane stops, or this stream fell behind: then the node itself says how far it is.
      auto now = co_await get_node(id);
      if (!now && now.error().code() == ErrorCode::not_found) co_return Result<void>();
      if (!now) co_return now.error();
      if (!(*now)->removing) co_return Error(ErrorCode::internal, (*now)->last_error);
      SBX_CO_TRY(again, co_await watch((*now)->revision, filter));
      stream = std::move(again);
      continue;
    }
    if (!event->node || event->node->id != id || event->revision <= removing->revision) continue;
    if (event->kind == WatchKind::node_gone) co_return Result<void>();
    if (!event->node->removing) co_return Error(ErrorCode::internal, event->node->last_error);
  }
}

Task<Result<std::shared_ptr<WatchStream>>> SandboxService::watch(std::optional<std::int64_t> after,
                                                                 WatchFilter filter) {
  auto hub = engine_->hub();
  if (!hub) co_return Error(ErrorCode::unavailable, "the control plane is starting; try again");
  co_return hub->open(after, std::move(filter));
}

std::string encode_segment(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace sandboxd::orch
