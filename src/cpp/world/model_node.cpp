#include "world/model_node.hpp"

#include "codec/sbxlet.hpp"
#include "model/host_port.hpp"

#include <algorithm>

namespace sandboxd::world {
namespace {

using model::Phase;

Error down() { return {ErrorCode::unavailable, "connection reset"}; }

std::optional<std::string> refused_port(const std::vector<model::PublishedPort>& ports, const std::set<int>& taken) {
  for (const model::PublishedPort& port : ports) {
    if (taken.contains(port.host_port))
      return model::host_port_in_use(port.host_port, port.protocol, "bind: Address already in use");
  }
  return std::nullopt;
}

}  // namespace

struct ModelNode::Subscriber {
  explicit Subscriber(const boost::asio::any_io_executor& executor) : changed(executor) {}
  std::deque<ports::NodeEvent> events;
  bool ended = false;
  aio::Notifier changed;
};

class ModelNode::Watch final : public ports::NodeWatch {
 public:
  explicit Watch(std::shared_ptr<Subscriber> subscriber) : subscriber_(std::move(subscriber)) {}
  ~Watch() override { subscriber_->ended = true; }

  Task<Result<ports::NodeEvent>> next() override {
    auto subscriber = subscriber_;
    while (subscriber->events.empty()) {
      if (subscriber->ended) co_return down();
      co_await subscriber->changed.wait();
    }
    ports::NodeEvent event = std::move(subscriber->events.front());
    subscriber->events.pop_front();
    co_return event;
  }

 private:
  std::shared_ptr<Subscriber> subscriber_;
};

ModelNode::ModelNode(boost::asio::any_io_executor executor, ports::Clock& clock, std::uint64_t seed,
                     ModelNodeOptions options)
    : executor_(executor),
      clock_(clock),
      random_(seed),
      options_(options),
      work_(std::make_unique<aio::TaskGroup>(executor)) {}

void ModelNode::start() {
  up_ = true;
  ++life_;
  work_->spawn("node reports", report_regularly(life_));
  for (const auto& [id, sandbox] : machine) {
    if (sandbox.phase == Phase::creating) work_->spawn("provision", provision(id, sandbox.uid, life_));
    if (sandbox.phase == Phase::stopping) work_->spawn("stop", finish_stop(id, sandbox.uid, life_));
    if (sandbox.phase == Phase::deleting) work_->spawn("removal", finish_removal(id, sandbox.uid, life_));
  }
}

void ModelNode::crash() {
  up_ = false;
  ++life_;  // work in hand notices at its next step, as if it had been killed there
  for (const auto& subscriber : std::exchange(subscribers_, {})) {
    subscriber->ended = true;
    subscriber->changed.notify();
  }
}

Duration ModelNode::between(Duration low, Duration high) {
  return low + Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>((high - low).count()))));
}

Result<void> ModelNode::admit(const model::NodeCreateRequest& request) const {
  std::int64_t cpu = model::total_request_cpu_milli(request.spec);
  std::int64_t memory = model::total_request_memory_bytes(request.spec);
  for (const auto& [id, sandbox] : machine) {
    if (sandbox.phase == Phase::stopped || sandbox.phase == Phase::failed) continue;
    cpu += model::total_request_cpu_milli(sandbox.spec);
    memory += model::total_request_memory_bytes(sandbox.spec);
  }
  if (cpu > options_.cpu_milli) return Error(ErrorCode::resource_exhausted, "cpu allocation limit exceeded");
  if (memory > options_.memory_bytes) return Error(ErrorCode::resource_exhausted, "memory allocation limit exceeded");
  return {};
}

Task<Result<void>> ModelNode::create(model::NodeCreateRequest request) {
  const std::uint64_t life = life_;
  const Duration sync = between(std::chrono::microseconds(100), std::chrono::milliseconds(3));
  co_await clock_.sleep_for(sync);
  if (life != life_) co_return down();
  if (tombstones_.contains({request.id, request.uid})) {
    co_return Error(ErrorCode::conflict, "sandbox was deleted: " + request.id.str());
  }
  const auto found = machine.find(request.id);
  if (found != machine.end()) {
    if (found->second.uid == request.uid) co_return Result<void>();
    co_return Error(ErrorCode::already_exists, "sandbox already exists: " + request.id.str());
  }
  SBX_CO_CHECK(admit(request));
  if (!request.ports.empty() && next_foreign_ports > 0) {
    --next_foreign_ports;
    foreign_ports.insert(request.ports[0].host_port);
  }
  if (!request.ports.empty() && next_ports_taken_late > 0) {
    --next_ports_taken_late;
    ports_taken_late.insert(request.ports[0].host_port);
  }
  if (auto refusal = refused_port(request.ports, foreign_ports)) co_return Error(ErrorCode::conflict, *refusal);
  model::NodeSandbox sandbox;
  sandbox.id = request.id;
  sandbox.uid = request.uid;
  sandbox.spec = request.spec;
  sandbox.ports = request.ports;
  sandbox.phase = Phase::creating;
  publish(model::status_of(sandbox));
  const SandboxId id = request.id;
  machine.emplace(id, std::move(sandbox));
  work_->spawn("provision", provision(id, request.uid, life));
  co_return Result<void>();
}

Task<void> ModelNode::provision(SandboxId id, std::string uid, std::uint64_t life) {
  const Duration takes = between(std::chrono::milliseconds(5), std::chrono::milliseconds(400));
  const bool fails = random_.chance(options_.fail_permille);
  co_await clock_.sleep_for(takes);
  const auto found = machine.find(id);
  if (life != life_ || found == machine.end() || found->second.uid != uid || found->second.phase != Phase::creating) {
    co_return;
  }
  model::NodeSandbox& sandbox = found->second;
  const auto refusal = refused_port(sandbox.ports, ports_taken_late);
  sandbox.phase = fails || refusal ? Phase::failed : Phase::running;
  if (fails || refusal) {
    sandbox.error = refusal.value_or("image could not be pulled");
  } else {
    sandbox.ip = "10.89.0.2";
    sandbox.started_at = clock_.wall_now();
    sandbox.ended_at.reset();
  }
  publish(model::status_of(sandbox));
}

Task<void> ModelNode::finish_stop(SandboxId id, std::string uid, std::uint64_t life) {
  co_await clock_.sleep_for(between(std::chrono::milliseconds(5), std::chrono::milliseconds(200)));
  const auto found = machine.find(id);
  if (life != life_ || found == machine.end() || found->second.uid != uid || found->second.phase != Phase::stopping)
    co_return;
  found->second.phase = Phase::stopped;
  found->second.ip.clear();
  found->second.ended_at = clock_.wall_now();
  publish(model::status_of(found->second));
}

Result<void> ModelNode::start_again(model::NodeSandbox& sandbox) {
  if (sandbox.phase != Phase::stopped && sandbox.phase != Phase::failed) return {};
  SBX_CHECK(admit({sandbox.id, sandbox.uid, sandbox.spec, sandbox.ports}));
  sandbox.phase = Phase::creating;
  sandbox.error.clear();
  sandbox.ended_at.reset();
  work_->spawn("provision", provision(sandbox.id, sandbox.uid, life_));
  return {};
}

Result<void> ModelNode::change(model::NodeSandbox& sandbox, ports::LifeVerb verb) {
  using ports::LifeVerb;
  const Phase before = sandbox.phase;
  const bool may_end = before == Phase::running || before == Phase::paused || before == Phase::creating;
  if (verb == LifeVerb::pause && before != Phase::running && before != Phase::paused)
    return Error(ErrorCode::conflict, "sandbox " + sandbox.id.str() + " is not running");
  if (verb == LifeVerb::start) SBX_CHECK(start_again(sandbox));
  if (verb == LifeVerb::pause) sandbox.phase = Phase::paused;
  if (verb == LifeVerb::resume && before == Phase::paused) sandbox.phase = Phase::running;
  if (verb == LifeVerb::stop && may_end) {
    sandbox.phase = Phase::stopping;
    work_->spawn("stop", finish_stop(sandbox.id, sandbox.uid, life_));
  }
  if (sandbox.phase == before) return {};
  sandbox.desired = verb == LifeVerb::pause  ? model::Desired::paused
                    : verb == LifeVerb::stop ? model::Desired::stopped
                                             : model::Desired::running;
  return {};
}

// What is so already is so, and what comes too late is nobody's wish any more.
Task<Result<void>> ModelNode::change_life(SandboxId id, std::string uid, ports::LifeVerb verb, std::int64_t order) {
  const std::uint64_t life = life_;
  co_await clock_.sleep_for(between(std::chrono::microseconds(100), std::chrono::milliseconds(3)));
  if (life != life_) co_return down();
  const auto found = machine.find(id);
  if (found == machine.end() || found->second.uid != uid || found->second.phase == Phase::deleting)
    co_return Error(ErrorCode::not_found, "not found");
  model::NodeSandbox& sandbox = found->second;
  const bool is_late = order < sandbox.order || (order == sandbox.order && sandbox.own_wish);
  if (order != 0 && is_late) co_return Result<void>();
  if (order != 0) sandbox.order = order;
  if (order != 0) sandbox.own_wish = false;
  const Phase before = sandbox.phase;
  SBX_CO_CHECK(change(sandbox, verb));
  if (order == 0) sandbox.own_wish = true;
  if (sandbox.phase != before) publish(model::status_of(sandbox));
  co_return Result<void>();
}

Task<Result<void>> ModelNode::remove(SandboxId id, std::string uid) {
  const std::uint64_t life = life_;
  const Duration sync = between(std::chrono::microseconds(100), std::chrono::milliseconds(3));
  co_await clock_.sleep_for(sync);
  if (life != life_) co_return down();
  if (!uid.empty()) tombstones_.emplace(id, uid);
  const auto found = machine.find(id);
  if (found == machine.end() || (!uid.empty() && found->second.uid != uid)) co_return Result<void>();
  found->second.phase = Phase::deleting;
  const std::string this_life = found->second.uid;
  publish(model::status_of(found->second));
  co_await finish_removal(id, this_life, life);
  if (life != life_) co_return down();
  co_return Result<void>();
}

Task<void> ModelNode::finish_removal(SandboxId id, std::string uid, std::uint64_t life) {
  const Duration takes = between(std::chrono::milliseconds(1), std::chrono::milliseconds(100));
  co_await clock_.sleep_for(takes);
  const auto found = machine.find(id);
  if (life != life_ || found == machine.end() || found->second.uid != uid) co_return;
  machine.erase(found);
  publish(model::NodeSandboxGone{id, uid});
}

Result<std::unique_ptr<ports::NodeWatch>> ModelNode::subscribe() {
  if (!up_) return down();
  auto subscriber = std::make_shared<Subscriber>(executor_);
  subscriber->events.push_back(report());
  for (const auto& [id, sandbox] : machine) subscriber->events.emplace_back(model::status_of(sandbox));
  subscriber->events.emplace_back(model::NodeSnapshotEnd{});
  subscribers_.push_back(subscriber);
  return std::unique_ptr<ports::NodeWatch>(std::make_unique<Watch>(std::move(subscriber)));
}

Task<void> ModelNode::report_regularly(std::uint64_t life) {
  while (life == life_) {
    publish(report());
    co_await clock_.sleep_for(options_.report_interval);
  }
}

Task<Result<ports::NodeAnswer>> ModelNode::call(ports::NodeCall call) {
  if (!up_) co_return down();
  ports::NodeAnswer answer;
  if (call.method == "GET" && call.path == "/healthz") {
    answer.body = R"({"ok":true})";
    co_return answer;
  }
  if (call.method == "GET" && call.path == "/v1/node/status") {
    answer.body = codec::sbxlet::encode_node_status(report().resources);
    co_return answer;
  }
  auto nothing = co_await SimNodeServer::call(std::move(call));
  co_return nothing;
}

model::NodeReport ModelNode::report() const {
  model::NodeReport out;
  out.boot_id = boot_id();
  out.resources.capacity_cpu_milli = options_.cpu_milli;
  out.resources.capacity_memory_bytes = options_.memory_bytes;
  out.resources.allocatable_cpu_milli = options_.cpu_milli;
  out.resources.allocatable_memory_bytes = options_.memory_bytes;
  out.resources.max_alloc_percent = 100;
  out.resources.updated_at = clock_.wall_now();
  return out;
}

void ModelNode::publish(const ports::NodeEvent& event) {
  std::erase_if(subscribers_, [](const auto& subscriber) { return subscriber->ended; });
  for (const auto& subscriber : subscribers_) {
    subscriber->events.push_back(event);
    subscriber->changed.notify();
  }
}

bool ModelNode::kill_one() {
  if (!up_) return false;
  for (auto& [id, sandbox] : machine) {
    if (sandbox.phase != Phase::running || !random_.chance(300)) continue;
    sandbox.phase = Phase::failed;
    sandbox.error = "container app: exited with code 137";
    sandbox.ended_at = clock_.wall_now();
    publish(model::status_of(sandbox));
    return true;
  }
  return false;
}

}  // namespace sandboxd::world
