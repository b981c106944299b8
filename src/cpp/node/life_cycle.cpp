#include "node/life_cycle.hpp"

#include "aio/deadline.hpp"
#include "aio/shield.hpp"
#include "base/log.hpp"
#include "node/admission.hpp"
#include "node/container_plan.hpp"
#include "node/gather.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr Duration kPauseMin = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(5);

using model::Desired;
using model::Phase;

Error conflict(const Entry& entry, const char* text, const char* reason) {
  return Error(ErrorCode::conflict, "sandbox " + entry.id().str() + " " + text).with_reasons({reason});
}

std::optional<Error> refuse_deleting(const Entry& entry) {
  if (entry.gone || entry.record.phase == Phase::deleting) return conflict(entry, "is being deleted", "deleting");
  return std::nullopt;
}

bool is_over(Phase phase) { return phase == Phase::stopped || phase == Phase::failed; }

// Those that were started and of whose end nothing is known.
bool still_runs(const Entry& entry) {
  return std::any_of(entry.record.containers.begin(), entry.record.containers.end(), [&](const auto& container) {
    return entry.pids.contains(container.key) && !entry.exits.contains(container.key);
  });
}

Task<Result<void>> wait_for_exits(EntryPtr entry) {
  while (still_runs(*entry) && entry->record.phase == Phase::stopping) co_await entry->changed.wait();
  co_return Result<void>();
}

// Before `goal`, a sandbox is in a phase that leads there.
Task<Result<void>> wait_for(EntryPtr entry, Phase goal) {
  const Phase before = goal == Phase::paused    ? Phase::pausing
                       : goal == Phase::running ? Phase::paused
                                                : Phase::stopping;
  while (entry->record.phase == before && !entry->gone) co_await entry->changed.wait();
  co_return Result<void>();
}

Task<Result<void>> wait_released(EntryPtr entry) {
  while (entry->holds && !entry->gone && is_over(entry->record.phase)) co_await entry->changed.wait();
  co_return Result<void>();
}

}  // namespace

bool is_up(Phase phase) { return phase == Phase::running || phase == Phase::pausing || phase == Phase::paused; }

bool keeps_files(const model::NodeSandbox& record) {
  if (!record.started_at) return false;
  if (record.phase == Phase::creating || record.phase == Phase::stopping) return true;
  if (!is_over(record.phase)) return false;
  return record.desired == Desired::stopped || record.spec.on_expiry == model::OnExpiry::stop;
}

// The containers whose pause is everybody's: in a gVisor pod the root, else each.
std::vector<std::string> LifeCycle::standing_keys(const model::NodeSandbox& record) const {
  if (!record.pod_key.empty() && handler_of(core_.options.config, record) == "runsc") return {record.pod_key};
  std::vector<std::string> keys;
  for (const auto& container : record.containers) keys.push_back(container.key);
  return keys;
}

Task<Result<void>> LifeCycle::pause_all(EntryPtr entry) {
  const std::vector<std::string> keys = standing_keys(entry->record);
  for (const std::string& key : keys) SBX_CO_CHECK(co_await aio::shield(core_.ports.runtime.pause(key)));
  co_return Result<void>();
}

Task<Result<void>> LifeCycle::resume_all(EntryPtr entry) {
  Result<void> all;
  const std::vector<std::string> keys = standing_keys(entry->record);
  for (const std::string& key : keys) {
    auto resumed = co_await aio::shield(core_.ports.runtime.resume(key));
    if (!resumed && all) all = resumed;
  }
  co_return all;
}

Task<Result<void>> LifeCycle::pause(EntryPtr entry) {
  if (auto refused = refuse_deleting(*entry)) co_return *refused;
  const Phase phase = entry->record.phase;
  if (phase == Phase::pausing) co_return Result<void>();
  if (phase == Phase::paused) co_return conflict(*entry, "is already paused", "already_paused");
  if (phase != Phase::running || entry->ending) co_return conflict(*entry, "is not running", "not_running");
  if (entry->restarts.of_all || !entry->restarts.under_way.empty())
    co_return Error(ErrorCode::unavailable, "a container of sandbox " + entry->id().str() + " is being started again");
  auto marked = co_await core_.table.change(entry, [](model::NodeSandbox& record) {
    if (record.phase != Phase::running) return false;
    record.desired = Desired::paused;
    record.phase = Phase::pausing;
    return true;
  });
  if (!marked && marked.error().code() == ErrorCode::cancelled)
    co_return conflict(*entry, "is not running", "not_running");
  SBX_CO_CHECK(marked);
  core_.reached(step::kPauseMarked, entry->id());
  core_.announce(*entry);
  entry->work->spawn("pause", run_pause(entry));
  co_return Result<void>();
}

Task<void> LifeCycle::run_pause(EntryPtr entry) {
  Duration pause = kPauseMin;
  while (entry->record.phase == Phase::pausing) {
    Result<void> done = co_await pause_all(entry);
    core_.reached(step::kPauseDone, entry->id());
    if (done) {
      done = co_await core_.table.change(entry, [](model::NodeSandbox& record) {
        if (record.phase != Phase::pausing) return false;
        record.phase = Phase::paused;
        return true;
      });
      if (done || done.error().code() == ErrorCode::cancelled) break;
    } else if (done.error().code() != ErrorCode::unavailable) {
      co_return co_await leave_paused(entry, done.error().message());
    }
    kLog.warn("not paused yet", {{"sandbox", entry->id().str()}, {"error", done.error().message()}});
    co_await core_.ports.clock.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
  core_.announce(*entry);
  core_.reached(step::kPaused, entry->id());
}

Task<Result<void>> LifeCycle::resume(EntryPtr entry) {
  if (auto refused = refuse_deleting(*entry)) co_return *refused;
  const bool is_under_way = entry->record.phase == Phase::paused && entry->record.desired == Desired::running;
  if (is_under_way) co_return Result<void>();
  if (entry->record.phase != Phase::paused || entry->ending) co_return conflict(*entry, "is not paused", "not_paused");
  // Durable before anything moves: after a crash it goes on.
  auto marked = co_await core_.table.change(entry, [](model::NodeSandbox& record) {
    if (record.phase != Phase::paused) return false;
    record.desired = Desired::running;
    return true;
  });
  if (!marked && marked.error().code() == ErrorCode::cancelled)
    co_return conflict(*entry, "is not paused", "not_paused");
  SBX_CO_CHECK(marked);
  core_.reached(step::kResumeMarked, entry->id());
  entry->work->spawn("resume", run_resume(entry));
  co_return Result<void>();
}

Task<void> LifeCycle::run_resume(EntryPtr entry) { co_await leave_paused(entry, ""); }

// Until everything moves. `obstacle`: why it could not be paused.
Task<void> LifeCycle::leave_paused(EntryPtr entry, std::string obstacle) {
  Duration pause = kPauseMin;
  for (;;) {
    Result<void> done = co_await resume_all(entry);
    core_.reached(step::kResumeDone, entry->id());
    // What cannot be resumed has ended: its exit tells more.
    if (done || done.error().code() != ErrorCode::unavailable) {
      done = co_await core_.table.change(entry, [&obstacle](model::NodeSandbox& record) {
        if (record.phase != Phase::paused && record.phase != Phase::pausing) return false;
        record.desired = Desired::running;
        record.phase = Phase::running;
        record.error = obstacle;
        return true;
      });
      if (done || done.error().code() == ErrorCode::cancelled) break;
    }
    kLog.warn("not resumed yet", {{"sandbox", entry->id().str()}, {"error", done.error().message()}});
    co_await core_.ports.clock.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
  entry->alive_since = core_.looks;
  core_.announce(*entry);
  core_.reached(step::kResumed, entry->id());
  if (!entry->exits.empty()) provisioner_.container_exited(entry);
}

Task<Result<void>> LifeCycle::stop(EntryPtr entry, std::optional<Duration> grace) {
  if (auto refused = refuse_deleting(*entry)) co_return *refused;
  if (entry->record.phase == Phase::stopping) co_return Result<void>();
  if (is_over(entry->record.phase)) co_return conflict(*entry, "is already stopped", "already_stopped");
  const bool may_stand_still = entry->record.phase == Phase::pausing || entry->record.phase == Phase::paused;
  auto marked = co_await core_.table.change(entry, [](model::NodeSandbox& record) {
    if (record.phase != Phase::creating && !is_up(record.phase)) return false;
    record.desired = Desired::stopped;
    record.phase = Phase::stopping;
    return true;
  });
  if (!marked && marked.error().code() == ErrorCode::cancelled)
    co_return conflict(*entry, "is already stopped", "already_stopped");
  SBX_CO_CHECK(marked);
  entry->ending = true;
  core_.reached(step::kStopMarked, entry->id());
  core_.announce(*entry);
  core_.tasks.spawn("stop", run_stop(entry, grace.value_or(core_.options.config.stop_grace), may_stand_still));
  co_return Result<void>();
}

Task<void> LifeCycle::run_stop(EntryPtr entry, Duration grace, bool may_stand_still) {
  entry->ending = true;
  co_await end_work(entry);
  if (may_stand_still) {
    auto resumed = co_await resume_all(entry);
    if (!resumed) kLog.debug("not resumed", {{"sandbox", entry->id().str()}, {"error", resumed.error().message()}});
  }
  co_await let_end(entry, grace);
  if (still_runs(*entry)) co_await save_output(entry);
  core_.reached(step::kStopAsked, entry->id());
  if (entry->record.phase != Phase::stopping) co_return;  // a delete took over
  co_await remover_.take_down(entry);
  co_await record_stopped(entry);
}

// The processes may end by themselves for a while.
Task<void> LifeCycle::let_end(EntryPtr entry, Duration grace) {
  if (grace <= Duration::zero() || !still_runs(*entry)) co_return;
  std::vector<Task<Result<void>>> asked;
  for (const auto& container : entry->record.containers) {
    if (entry->pids.contains(container.key))
      asked.push_back(aio::shield(core_.ports.runtime.ask_to_stop(container.key)));
  }
  auto told = all_succeeded(co_await gather(std::move(asked)));
  if (!told) {
    // What could not be asked is killed at once: nobody would end.
    kLog.warn("stop signal not sent", {{"sandbox", entry->id().str()}, {"error", told.error().message()}});
    co_return;
  }
  auto ended = co_await aio::with_deadline(core_.ports.clock, grace, wait_for_exits(entry), "stop");
  if (!ended) kLog.info("not ended in time, will be killed", {{"sandbox", entry->id().str()}});
}

// Of commands in what will be killed: it goes with the agent.
Task<void> LifeCycle::save_output(EntryPtr entry) {
  std::vector<std::string> keys;
  for (const auto& container : entry->record.containers) {
    if (entry->pids.contains(container.key) && !entry->exits.contains(container.key)) keys.push_back(container.key);
  }
  for (const std::string& key : keys) co_await core_.save_output(key);
}

Task<void> LifeCycle::record_stopped(EntryPtr entry) {
  if (entry->record.phase != Phase::stopping) co_return;
  core_.table.release(*entry);
  Duration pause = kPauseMin;
  for (;;) {
    auto recorded = co_await core_.table.change(entry, [this, &entry](model::NodeSandbox& record) {
      if (record.phase != Phase::stopping) return false;
      record.phase = Phase::stopped;
      record.error.clear();
      record.ip.clear();
      record.ended_at = core_.ports.clock.wall_now();
      mark_ended(record, *entry);
      return true;
    });
    if (recorded) break;
    if (recorded.error().code() == ErrorCode::cancelled) co_return;
    kLog.warn("stop not saved", {{"sandbox", entry->id().str()}, {"error", recorded.error().message()}});
    co_await core_.ports.clock.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
  kLog.info("sandbox stopped", {{"sandbox", entry->id().str()}});
  core_.announce(*entry);
  core_.reached(step::kStopped, entry->id());
  core_.pool.poke();
}

// What it gave back when it stopped.
Task<Result<void>> LifeCycle::reserve(EntryPtr entry) {
  const model::NodeCreateRequest request{entry->id(), entry->record.uid, entry->record.spec, entry->record.ports};
  SBX_CO_CHECK(admit(request, core_.table, core_.capacity));
  core_.table.hold(entry);
  for (const auto& port : request.ports) {
    auto is_free = co_await core_.ports.network.check_port_free(port.host_port, port.protocol);
    if (is_free) continue;
    core_.table.release(*entry);
    co_return is_free.error();
  }
  co_return Result<void>();
}

Task<Result<void>> LifeCycle::start(EntryPtr entry) {
  if (auto refused = refuse_deleting(*entry)) co_return *refused;
  if (entry->record.phase == Phase::stopping)
    co_return Error(ErrorCode::unavailable, "sandbox " + entry->id().str() + " is still being stopped");
  if (is_over(entry->record.phase))
    SBX_CO_CHECK(
        co_await aio::with_deadline(core_.ports.clock, core_.options.remove_wait, wait_released(entry), "release"));
  if (auto refused = refuse_deleting(*entry)) co_return *refused;
  if (!is_over(entry->record.phase)) co_return conflict(*entry, "is already running", "already_running");
  if (entry->record.started_at && !keeps_files(entry->record))
    co_return conflict(*entry, "cannot be started again: its files went when it ended", "files_gone");
  SBX_CO_CHECK(co_await reserve(entry));
  co_await end_work(entry);
  auto marked = co_await core_.table.change(entry, [](model::NodeSandbox& record) {
    if (!is_over(record.phase)) return false;
    record.desired = Desired::running;
    record.phase = Phase::creating;
    record.error.clear();
    record.ended_at.reset();
    for (model::NodeContainer& container : record.containers) begin_again(container);
    return true;
  });
  if (!marked) {
    core_.table.release(*entry);
    if (marked.error().code() == ErrorCode::cancelled) co_return conflict(*entry, "is being deleted", "deleting");
    co_return marked;
  }
  begin_life(*entry);
  core_.reached(step::kStartMarked, entry->id());
  kLog.info("sandbox starts again", {{"sandbox", entry->id().str()}});
  core_.announce(*entry);
  provisioner_.begin(entry, Provisioner::From::leftovers);
  co_return Result<void>();
}

Task<Result<void>> LifeCycle::settled(EntryPtr entry, Phase goal) {
  auto waited = co_await aio::with_deadline(core_.ports.clock, core_.options.remove_wait, wait_for(entry, goal),
                                            std::string(model::to_string(goal)));
  if (!waited || entry->record.phase == goal) co_return Result<void>();
  if (goal == Phase::paused && entry->record.phase == Phase::running)
    co_return Error(ErrorCode::runtime_failed,
                    "sandbox " + entry->id().str() + " could not be paused: " + entry->record.error);
  if (auto refused = refuse_deleting(*entry)) co_return *refused;
  co_return conflict(*entry, "ended meanwhile", "not_running");
}

Task<Result<void>> LifeCycle::lead_to(EntryPtr entry, Phase goal, std::optional<Duration> grace) {
  if (goal == Phase::paused) return pause(std::move(entry));
  if (goal == Phase::running) return resume(std::move(entry));
  return stop(std::move(entry), grace);
}

void LifeCycle::take_up(const EntryPtr& entry) {
  if (entry->record.phase == Phase::stopping) {
    core_.tasks.spawn("stop", run_stop(entry, core_.options.config.stop_grace, true));
  } else if (entry->record.phase == Phase::pausing) {
    entry->work->spawn("pause", run_pause(entry));
  } else if (entry->record.phase == Phase::paused && entry->record.desired == Desired::running) {
    entry->work->spawn("resume", run_resume(entry));
  }
}

}  // namespace sandboxd::node
