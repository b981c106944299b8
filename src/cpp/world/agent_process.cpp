#include "world/agent_process.hpp"

#include <limits>
#include <utility>

namespace sandboxd::world {
namespace {

Error reset() { return {ErrorCode::unavailable, "connection reset"}; }

Task<Result<void>> create_on(node::Agent& agent, model::NodeCreateRequest request) {
  auto created = co_await agent.create(std::move(request));
  if (!created) co_return created.error();
  co_return Result<void>();
}

}  // namespace

struct AgentProcess::Reply {
  explicit Reply(const boost::asio::any_io_executor& executor) : changed(executor) {}
  std::optional<Result<void>> result;
  aio::Notifier changed;
};

AgentProcess::AgentProcess(boost::asio::any_io_executor executor, sim::SimClock& clock, const Hardware& hardware,
                           std::unique_ptr<sim::SimNodeStore> store, ports::StepObserver& steps,
                           node::AgentOptions options)
    : executor_(executor),
      clock_(clock),
      store_(std::move(store)),
      runtime_(hardware.runtime),
      network_(clock_, hardware.network, sim::MemoryNetworkOptions{}),
      output_(hardware.output),
      prober_(clock_),
      agent_(executor, node::AgentPorts{clock_, *store_, runtime_, network_, output_, prober_, nullptr, &steps},
             std::move(options)),
      calls_(executor) {}

AgentProcess::~AgentProcess() = default;

void AgentProcess::start(std::function<void(const Error&)> failed) { calls_.spawn("start", begin(std::move(failed))); }

Task<void> AgentProcess::begin(std::function<void(const Error&)> failed) {
  const auto started = co_await agent_.start();
  if (!started && !dead_) failed(started.error());
}

void AgentProcess::kill() {
  dead_ = true;
  clock_.kill();
  calls_.cancel();
}

Task<void> AgentProcess::bury(std::shared_ptr<AgentProcess> process) {
  co_await process->agent_.stop();
  co_await process->calls_.join();
  // What the last calls began meanwhile, cancelled from its beginning.
  co_await process->agent_.stop();
}

Task<Result<void>> AgentProcess::serve(Request request) {
  if (dead_) co_return reset();
  auto reply = std::make_shared<Reply>(executor_);
  calls_.spawn("request", answer(shared_from_this(), std::move(request), reply));
  while (!reply->result) co_await reply->changed.wait();
  co_return *reply->result;
}

Task<void> AgentProcess::answer(std::shared_ptr<AgentProcess> self, Request request, std::shared_ptr<Reply> reply) {
  struct Hangup {
    ~Hangup() {
      if (!reply->result) reply->result = reset();
      reply->changed.notify();
    }
    std::shared_ptr<Reply> reply;
  };
  const Hangup hangup{reply};
  auto result = co_await request(self->agent_);
  if (!self->dead_) reply->result = std::move(result);
}

Task<Result<void>> AgentProcess::create(model::NodeCreateRequest request) {
  return serve([request = std::move(request)](node::Agent& agent) { return create_on(agent, request); });
}

Task<Result<void>> AgentProcess::remove(SandboxId id, std::string uid) {
  return serve([id = std::move(id), uid = std::move(uid)](node::Agent& agent) { return agent.remove(id, uid); });
}

namespace {

// As its HTTP API and the control plane's transport do between them.
Task<Result<void>> change_on(node::Agent& agent, SandboxId id, node::LifeAsk ask, ports::LifeVerb verb) {
  using ports::LifeVerb;
  if (verb == LifeVerb::stop) ask.until = node::Until::recorded;
  Result<model::NodeSandbox> done = Error(ErrorCode::internal, "no such verb");
  const char* is_so = "";
  switch (verb) {
    case LifeVerb::pause:
      done = co_await agent.pause(std::move(id), std::move(ask));
      is_so = "already_paused";
      break;
    case LifeVerb::resume:
      done = co_await agent.resume(std::move(id), std::move(ask));
      is_so = "not_paused";
      break;
    case LifeVerb::stop:
      done = co_await agent.stop(std::move(id), std::move(ask));
      is_so = "already_stopped";
      break;
    case LifeVerb::start:
      done = co_await agent.start(std::move(id), std::move(ask));
      is_so = "already_running";
      break;
  }
  if (done) co_return Result<void>();
  const auto reasons = done.error().reasons();  // error() returns a copy
  if (!reasons.empty() && (reasons.front() == is_so || reasons.front() == "outdated")) co_return Result<void>();
  co_return done.error();
}

}  // namespace

Task<Result<void>> AgentProcess::change_life(SandboxId id, std::string uid, ports::LifeVerb verb, std::int64_t order) {
  node::LifeAsk ask;
  ask.uid = std::move(uid);
  ask.order = order;
  return serve(
      [id = std::move(id), ask = std::move(ask), verb](node::Agent& agent) { return change_on(agent, id, ask, verb); });
}

Result<std::unique_ptr<ports::NodeWatch>> AgentProcess::subscribe() {
  if (dead_) return reset();
  return agent_.subscribe();
}

std::vector<model::NodeSandbox> AgentProcess::believed() const {
  std::vector<model::NodeSandbox> all;
  agent_.visit("", std::numeric_limits<std::size_t>::max(),
               [&](const model::NodeSandbox& record, node::Shown&) { all.push_back(record); });
  return all;
}

}  // namespace sandboxd::world
