#include "orch/operations.hpp"

#include "aio/deadline.hpp"
#include "orch/engine.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace sandboxd::orch {
namespace {

constexpr Duration kFresh = std::chrono::seconds(1);
constexpr Duration kPatience = std::chrono::seconds(2);

Result<void> demand_commit(Engine& engine) {
  engine.demand_commit();
  return {};
}

}  // namespace

Operations::Operations(boost::asio::any_io_executor executor, Engine& engine, ports::Clock& clock)
    : engine_(&engine), clock_(&clock), probed_(executor), probes_(executor) {}

Task<Result<void>> Operations::check_ready() {
  const MonoTime now = clock_->mono_now();
  if (has_answer_ && now - answered_at_ < kFresh) co_return answer_;
  if (!is_probing_) {
    is_probing_ = true;
    asked_at_ = now;
    probes_.spawn("readiness probe", probe());
  }
  // The probe itself is never cancelled: a database that hangs would hold up whoever waited for that.
  auto waiting = until_probed();
  const auto probed = co_await aio::with_deadline(*clock_, kPatience, std::move(waiting), "readiness");
  if (probed) co_return answer_;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock_->mono_now() - asked_at_).count();
  co_return Error(ErrorCode::deadline_exceeded,
                  "the engine has not finished a turn for " + std::to_string(ms) + " ms: is the disk stuck?");
}

Task<Result<void>> Operations::until_probed() {
  while (is_probing_) co_await probed_.wait();
  co_return Result<void>();
}

Task<void> Operations::probe() {
  auto answer = co_await engine_->write<void>(demand_commit);
  answer_ = std::move(answer);
  answered_at_ = clock_->mono_now();
  has_answer_ = true;
  is_probing_ = false;
  probed_.notify();
}

std::size_t Operations::damaged_records() const {
  return engine_->state().damaged_sandboxes() + engine_->state().damaged_nodes();
}

Figures Operations::figures() const {
  Figures out;
  const State& state = engine_->state();
  for (int n = 0; n <= static_cast<int>(model::Phase::deleting); ++n) {
    const auto phase = static_cast<model::Phase>(n);
    out.sandboxes[phase] = state.count(phase);
  }
  for (const auto node_state : {model::NodeState::unknown, model::NodeState::ready, model::NodeState::not_ready}) {
    out.nodes[node_state] = 0;
  }
  for (const auto& [id, node] : state.nodes()) {
    ++out.nodes[node->state];
    if (node->unschedulable) ++out.nodes_cordoned;
  }
  out.damaged_sandboxes = state.damaged_sandboxes();
  out.damaged_nodes = state.damaged_nodes();
  const EngineStats& stats = engine_->stats();
  out.turns = stats.turns;
  out.commits = stats.commits;
  out.failed_commits = stats.failed_commits;
  out.commands = stats.commands;
  out.observations = stats.observations;
  out.commit_time = stats.commit_time;
  out.placements = engine_->decisions().placements();
  out.inbox = engine_->inbox_size();
  out.held = engine_->held_size();
  out.waiting = state.queue().size();
  out.calls_to_nodes = engine_->calls_to_nodes();
  out.watchers = engine_->hub()->watchers();
  out.revision = state.revision();
  return out;
}

Task<void> Operations::join() { co_await probes_.join(); }

}  // namespace sandboxd::orch
