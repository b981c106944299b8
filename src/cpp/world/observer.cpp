#include "world/observer.hpp"

namespace sandboxd::world {
namespace {

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
  cluster.live.begin_life(list->items, list->revision);
  auto stream = co_await plane->service->watch(list->revision, {});
  if (!stream) co_return;
  for (;;) {
    auto event = co_await (*stream)->next();
    if (plane->dead) co_return;
    if (!event) {
      cluster.violate("the watch ended while the control plane serves");
      co_return;
    }
    cluster.note(line_of(*event));
    cluster.live.hear(*event, cluster.disk->durable().revision, cluster.clock.mono_now());
  }
}

}  // namespace sandboxd::world
