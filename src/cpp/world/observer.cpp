#include "world/observer.hpp"

#include "lifecycle/sandbox_fsm.hpp"

namespace sandboxd::world {
namespace {

void check_move(Cluster& cluster, std::map<SandboxId, orch::SandboxRef>& known, const orch::WatchEvent& event) {
  const auto& sandbox = event.sandbox;
  const auto found = known.find(sandbox->id);
  const std::string name = "sandbox " + sandbox->id.str();
  if (event.kind == orch::WatchKind::sandbox_gone) {
    if (found == known.end()) cluster.violate(name + " is gone, but was never there");
    if (found != known.end()) known.erase(found);
    return;
  }
  if (found == known.end()) {
    if (sandbox->phase != model::Phase::pending) {
      cluster.violate(name + " begins as " + std::string(model::to_string(sandbox->phase)));
    }
  } else if (found->second->uid != sandbox->uid) {
    cluster.violate(name + " has a new life while the old one is there");
  } else if (found->second->phase != sandbox->phase && !lifecycle::is_move(found->second->phase, sandbox->phase)) {
    cluster.violate(name + " moved from " + std::string(model::to_string(found->second->phase)) + " to " +
                    std::string(model::to_string(sandbox->phase)));
  }
  known[sandbox->id] = sandbox;
}

std::string line_of(const orch::WatchEvent& event) {
  std::string line = "r" + std::to_string(event.revision) + " " + std::string(orch::to_string(event.kind));
  if (event.sandbox) {
    line += " " + event.sandbox->id.str() + " " + std::string(model::to_string(event.sandbox->phase)) + " " +
            event.sandbox->node.str() + " " + event.sandbox->last_error;
  } else {
    line += " " + event.node->id.str() + " " + std::string(model::to_string(event.node->state));
  }
  return line;
}

}  // namespace

Task<void> observe(Cluster& cluster, std::shared_ptr<ControlPlane> plane) {
  auto list = co_await plane->service->list();
  if (plane->dead || !list) co_return;
  if (list->revision < cluster.revision_heard) {
    cluster.violate("revision " + std::to_string(list->revision) + " after a restart, but " +
                    std::to_string(cluster.revision_heard) + " was heard before");
  }
  std::map<SandboxId, orch::SandboxRef> known;
  for (const auto& sandbox : list->items) known[sandbox->id] = sandbox;
  std::int64_t last = list->revision;
  auto stream = co_await plane->service->watch(last, {});
  if (!stream) co_return;
  for (;;) {
    auto event = co_await (*stream)->next();
    if (plane->dead || !event) co_return;
    if (event->revision != last + 1) {
      cluster.violate("revision " + std::to_string(event->revision) + " follows " + std::to_string(last));
    }
    last = event->revision;
    cluster.revision_heard = last;
    cluster.note(line_of(*event));
    if (event->sandbox) check_move(cluster, known, *event);
  }
}

}  // namespace sandboxd::world
