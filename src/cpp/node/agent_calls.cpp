// The calls of Agent that its parts answer.
#include "aio/shield.hpp"
#include "node/agent_impl.hpp"

namespace sandboxd::node {

Agent::Agent(boost::asio::any_io_executor executor, AgentPorts ports, AgentOptions options)
    : impl_(std::make_unique<Impl>(std::move(executor), ports, std::move(options))) {}

Agent::~Agent() = default;

Task<Result<void>> Agent::start() { return impl_->start(); }
Task<void> Agent::stop() { return impl_->stop(); }
Task<void> Agent::teardown() { return impl_->core_.pool.drain(); }
Task<Result<model::NodeSandbox>> Agent::create(model::NodeCreateRequest request) {
  return impl_->create(std::move(request));
}
Task<Result<void>> Agent::remove(SandboxId id, std::string uid, Until until) {
  return impl_->remove(std::move(id), std::move(uid), until);
}
Task<Result<void>> Agent::remove(SandboxId id, std::string uid) {
  return impl_->remove(std::move(id), std::move(uid), Until::gone);
}
Task<Result<model::NodeSandbox>> Agent::pause(SandboxId id, LifeAsk ask) {
  return impl_->lead_to(model::Phase::paused, std::move(id), std::move(ask));
}
Task<Result<model::NodeSandbox>> Agent::resume(SandboxId id, LifeAsk ask) {
  return impl_->lead_to(model::Phase::running, std::move(id), std::move(ask));
}
Task<Result<model::NodeSandbox>> Agent::stop(SandboxId id, LifeAsk ask) {
  return impl_->lead_to(model::Phase::stopped, std::move(id), std::move(ask));
}
Task<Result<model::NodeSandbox>> Agent::start(SandboxId id, LifeAsk ask) {
  SBX_CO_TRY(entry, impl_->find_life(id, ask));
  SBX_CO_CHECK(co_await aio::shield(impl_->follow_wish(entry, ask, impl_->life_.start(entry))));
  co_return entry->record;
}
Task<Result<void>> Agent::reconcile() { return impl_->caretaker_.look(); }
Task<Result<std::vector<std::string>>> Agent::log(SandboxId id, std::string container) {
  return impl_->log(std::move(id), std::move(container));
}
Result<std::unique_ptr<ports::OutputReader>> Agent::follow_log(const SandboxId& id, const std::string& container) {
  return impl_->follow_log(id, container);
}
Commands& Agent::commands() const { return impl_->commands_; }
Images& Agent::images() { return impl_->images_; }
void Agent::run(std::string_view name, Task<void> work) { impl_->core_.tasks.spawn(name, std::move(work)); }
UsageReader& Agent::usage() { return impl_->usage_; }
ports::Clock& Agent::clock() const { return impl_->core_.ports.clock; }
Result<std::unique_ptr<ports::NodeWatch>> Agent::subscribe() { return impl_->subscribe(); }
std::optional<Error> Agent::degraded() const { return impl_->degraded(); }
model::NodeReport Agent::report() const { return impl_->core_.report(); }

std::optional<model::NodeSandbox> Agent::get(const SandboxId& id) const {
  const EntryPtr entry = impl_->find(id);
  return entry ? std::optional(entry->record) : std::nullopt;
}

std::vector<model::PullProgress> Agent::pulls(const SandboxId& id) const {
  const EntryPtr entry = impl_->find(id);
  return entry ? impl_->core_.pulls_of(*entry) : std::vector<model::PullProgress>();
}

void Agent::use_image_policy(std::string policy) { impl_->core_.options.config.image_policy = std::move(policy); }

std::optional<model::NodeSandboxStatus> Agent::status(const SandboxId& id) const {
  const EntryPtr entry = impl_->find(id);
  return entry ? std::optional(model::status_of(entry->record)) : std::nullopt;
}

void Agent::visit(const std::string& after, std::size_t limit, const Visitor& visitor) const {
  const auto& entries = impl_->core_.table.entries();
  for (auto at = entries.upper_bound(SandboxId(after)); at != entries.end() && limit > 0; ++at) {
    if (!at->second->accepted) continue;
    visitor(at->second->record, at->second->shown);
    --limit;
  }
}

bool Agent::visit(const SandboxId& id, const Visitor& visitor) const {
  const EntryPtr entry = impl_->find(id);
  if (entry) visitor(entry->record, entry->shown);
  return entry != nullptr;
}

}  // namespace sandboxd::node
