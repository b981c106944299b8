// Records and their agreement with the agents. The use cases are in command_calls.cpp.
#include "node/commands.hpp"

#include "aio/deadline.hpp"
#include "base/log.hpp"
#include "node/output_tail.hpp"

#include <algorithm>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr std::size_t kCollectMax = 4;
constexpr std::size_t kStrangersMax = 16;
constexpr Duration kCollectLimit = std::chrono::seconds(30);
constexpr Duration kSaveLimit = std::chrono::seconds(10);
constexpr Duration kLookLimit = std::chrono::milliseconds(300);
constexpr Duration kPauseMin = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(15);
constexpr std::int64_t kKeepMax = 16 << 20;
constexpr int kKill = 9;
constexpr int kUnknownExit = -1;

bool may_have_agents(const Entry& entry) {
  switch (entry.record.phase) {
    case model::Phase::stopped:
    case model::Phase::failed:
    case model::Phase::deleting: return false;
    default: return entry.record.spec.agent;
  }
}

// An agent may claim any time.
WallTime between(WallTime at, WallTime first, WallTime last) { return std::clamp(at, first, std::max(first, last)); }

}  // namespace

Commands::Commands(AgentCore& core)
    : core_(core), collecting_(core.executor, kCollectMax), ending_strangers_(core.executor, kStrangersMax) {
  if (core.ports.exec != nullptr)
    through_runtime_.emplace(core.executor, core.ports.clock, core.tasks, *core.ports.exec);
  core.save_output = [this](std::string key) { return save_output(std::move(key)); };
}

Task<Result<void>> Commands::start() {
  if (core_.ports.commands == nullptr) co_return Result<void>();
  SBX_CO_TRY(kept, co_await core_.ports.commands->sandboxes());
  for (const SandboxId& id : kept) {
    if (!core_.table.find(id)) SBX_CO_CHECK(co_await core_.ports.commands->erase_sandbox(id));
  }
  SBX_CO_TRY(unfinished, co_await core_.ports.commands->unfinished());
  for (auto& stored : unfinished) {
    const EntryPtr entry = core_.table.find_by_container(stored.key);
    const bool may_run = entry && entry->record.uid == stored.uid && may_have_agents(*entry);
    ports::GuestCommands* const host = may_run ? core_.ports.guests : nullptr;
    const LivePtr live = insert(std::move(stored), host);
    live->keep_bytes = kKeepMax;
    live->is_started = true;
    const bool was_ours = entry && entry->record.uid == live->record.uid && !entry->record.spec.agent;
    if (host == nullptr) begin_settling_lost(live, was_ours ? model::kNodeRestarted : model::kContainerEnded);
  }
  if (core_.ports.guests == nullptr) co_return Result<void>();
  std::vector<std::string> keys;
  for (const auto& [id, entry] : core_.table.entries()) {
    if (!may_have_agents(*entry)) continue;
    for (const auto& container : entry->record.containers) keys.push_back(container.key);
  }
  for (const std::string& key : keys) {
    // What was not made yet, or went with a reboot, has no directory.
    auto adopted = co_await core_.ports.guests->adopt(key);
    if (!adopted && adopted.error().code() != ErrorCode::not_found)
      kLog.warn("in-sandbox agent not listened for", {{"container", key}, {"error", adopted.error().message()}});
  }
  co_return Result<void>();
}

LivePtr Commands::insert(ports::StoredCommand stored, ports::GuestCommands* host) {
  auto live = std::make_shared<LiveCommand>(core_.executor, std::move(stored), host);
  live_[{live->record.command.sandbox, live->record.command.id}] = live;
  by_container_[{live->record.key, live->record.command.id}] = live;
  return live;
}

void Commands::drop(const LivePtr& live) {
  live_.erase({live->record.command.sandbox, live->record.command.id});
  by_container_.erase({live->record.key, live->record.command.id});
  live->changed.notify();
}

LivePtr Commands::find_live(const SandboxId& id, const std::string& command) const {
  const auto at = live_.find({id, command});
  return at == live_.end() ? nullptr : at->second;
}

LivePtr Commands::find_in(const std::string& key, const std::string& command) const {
  const auto at = by_container_.find({key, command});
  return at == by_container_.end() ? nullptr : at->second;
}

void Commands::follow() {
  if (core_.ports.guests != nullptr) core_.tasks.spawn("commands of agents", take_events(core_.ports.guests));
  if (!through_runtime_) return;
  core_.tasks.spawn("commands of the runtime", take_events(&*through_runtime_));
  core_.tasks.spawn("commands of the last run", through_runtime_->end_left());
}

Task<void> Commands::take_events(ports::GuestCommands* from) {
  for (;;) {
    auto event = co_await from->next_event();
    if (event) take(*event);
  }
}

// Nothing here waits: an agent that does not answer must not hold up the others' news.
void Commands::take(const ports::GuestEvent& event) {
  if (const auto* exit = std::get_if<ports::GuestExit>(&event)) {
    const LivePtr live = find_in(exit->key, exit->command.id);
    if (!live) return;  // an exec's, or nobody's
    if (ending_.contains(exit->key)) live->record.command.reason = model::kContainerEnded;
    if (live->is_started) {
      begin_settling(live, exit->command);
    } else {
      live->early_end = exit->command;
    }
    return;
  }
  if (const auto* ending = std::get_if<ports::GuestEnding>(&event)) {
    ending_.insert(ending->key);
    return;
  }
  if (const auto* connected = std::get_if<ports::GuestConnected>(&event)) {
    const auto [at, is_first] = comparing_.emplace(connected->key, false);
    if (is_first) {
      core_.tasks.spawn("compare commands", compare(connected->key));
    } else {
      at->second = true;
    }
    return;
  }
  const auto& gone = std::get<ports::GuestGone>(event);
  ending_.erase(gone.key);
  const auto first = by_container_.lower_bound({gone.key, ""});
  std::vector<LivePtr> lost;
  for (auto at = first; at != by_container_.end() && at->first.first == gone.key; ++at) lost.push_back(at->second);
  for (const LivePtr& live : lost) begin_settling_lost(live);
}

void Commands::begin_settling(const LivePtr& live, ports::GuestCommandState state) {
  if (std::exchange(live->is_settling, true)) return;
  core_.tasks.spawn("finish command", settle(live, std::move(state)));
}

void Commands::begin_settling_lost(const LivePtr& live, const char* reason) {
  if (std::exchange(live->is_settling, true)) return;
  core_.tasks.spawn("finish command", settle_lost(live, reason));
}

namespace {

Task<Result<void>> read_all(ports::GuestAttachment* from, OutputTail* into, std::uint64_t bytes_max) {
  std::uint64_t total = 0;
  for (;;) {
    SBX_CO_TRY(piece, co_await from->next());
    if (!piece || total > bytes_max) co_return Result<void>();
    total += piece->bytes.size();
    into->add(*piece);
  }
}

}  // namespace

// As much as can be had: an agent that is gone takes along what was not saved before.
Task<model::CommandOutput> Commands::collect(LivePtr live) {
  const std::string command = live->record.command.id;
  const auto keep = static_cast<std::size_t>(std::clamp<std::int64_t>(live->keep_bytes, 0, kKeepMax));
  OutputTail tail(keep);
  ports::GuestAttach how;
  how.command = command;
  how.follow = false;
  auto attached = co_await live->host->attach(live->record.key, std::move(how));
  if (!attached) {
    kLog.warn("output of a command not taken", {{"command", command}, {"error", attached.error().message()}});
    co_return live->saved.value_or(model::CommandOutput());
  }
  // Twice two rings: an honest agent has no more.
  auto read = co_await aio::with_deadline(core_.ports.clock, kCollectLimit, read_all(attached->get(), &tail, 4 * keep),
                                          "output");
  if (!read) kLog.warn("output of a command cut", {{"command", command}, {"error", read.error().message()}});
  co_return tail.take();
}

Task<void> Commands::settle(LivePtr live, ports::GuestCommandState state) {
  const auto permit = co_await collecting_.acquire();
  model::Command& command = live->record.command;
  auto output = co_await collect(live);
  command.exit_code = state.exit_code;
  command.signal = state.signal;
  command.timed_out = state.timed_out;
  command.finished_at = between(state.ended_at, command.started_at, core_.ports.clock.wall_now());
  command.stdout_bytes = std::max(command.stdout_bytes, output.stdout_begin + output.stdout_bytes.size());
  command.stderr_bytes = std::max(command.stderr_bytes, output.stderr_begin + output.stderr_bytes.size());
  co_await record_end(live, std::move(output));
  auto dropped = co_await live->host->drop(live->record.key, command.id);
  if (!dropped) kLog.debug("finished command left to the agent", {{"error", dropped.error().message()}});
}

Task<void> Commands::settle_lost(LivePtr live, const char* reason) {
  model::Command& command = live->record.command;
  model::CommandOutput output;
  if (live->saved) output = std::move(*live->saved);
  command.reason = reason;
  command.stdout_bytes = std::max(command.stdout_bytes, output.stdout_begin + output.stdout_bytes.size());
  command.stderr_bytes = std::max(command.stderr_bytes, output.stderr_begin + output.stderr_bytes.size());
  command.exit_code = kUnknownExit;
  command.finished_at = std::max(command.started_at, core_.ports.clock.wall_now());
  co_await record_end(live, std::move(output));
}

// Bounded: an agent that does not answer must not hold up the end of its container.
Task<void> Commands::save_output(std::string key) {
  auto saved = co_await aio::with_deadline(core_.ports.clock, kSaveLimit, save_all(key), "output");
  if (!saved) kLog.warn("output of commands not saved", {{"container", key}, {"error", saved.error().message()}});
}

Task<Result<void>> Commands::save_all(std::string key) {
  std::vector<LivePtr> running;
  for (auto at = by_container_.lower_bound({key, ""}); at != by_container_.end() && at->first.first == key; ++at) {
    if (at->second->is_started && !at->second->is_settling) running.push_back(at->second);
  }
  for (const LivePtr& live : running) live->saved = co_await collect(live);
  co_return Result<void>();
}

// How much it has written so far. False: its agent kept us waiting.
Task<bool> Commands::look(LivePtr live) {
  if (!live->is_started || live->is_settling) co_return true;
  auto looked = co_await aio::with_deadline(core_.ports.clock, kLookLimit, look_at(live), "agent");
  if (!looked) kLog.debug("command not looked at", {{"error", looked.error().message()}});
  co_return looked || looked.error().code() != ErrorCode::deadline_exceeded;
}

Task<Result<void>> Commands::look_at(LivePtr live) {
  ports::GuestAttach how;
  how.command = live->record.command.id;
  how.from_stdout = UINT64_MAX;
  how.from_stderr = UINT64_MAX;
  how.follow = false;
  SBX_CO_TRY(attached, co_await live->host->attach(live->record.key, std::move(how)));
  SBX_CO_TRY(nothing, co_await attached->next());
  if (nothing || live->is_settling) co_return Result<void>();
  model::Command& command = live->record.command;
  command.stdout_bytes = std::max(command.stdout_bytes, attached->state().stdout_end);
  command.stderr_bytes = std::max(command.stderr_bytes, attached->state().stderr_end);
  co_return Result<void>();
}

Task<void> Commands::record_end(LivePtr live, model::CommandOutput output) {
  Duration pause = kPauseMin;
  for (;;) {
    auto saved = co_await core_.ports.commands->finish(live->record.command, output);
    if (saved) break;
    kLog.warn("end of a command not saved", {{"command", live->record.command.id}, {"error", saved.error().message()}});
    co_await core_.ports.clock.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
    // A full disk: better the record without it than neither.
    output = {"", "", live->record.command.stdout_bytes, live->record.command.stderr_bytes};
  }
  live->is_finished = true;
  drop(live);
}

Task<void> Commands::compare(std::string key) {
  for (;;) {
    auto compared = co_await compare_once(key);
    if (!compared)
      kLog.warn("commands not compared with the agent's", {{"container", key}, {"error", compared.error().message()}});
    const auto at = comparing_.find(key);
    if (at == comparing_.end()) co_return;
    if (!std::exchange(at->second, false)) break;
  }
  comparing_.erase(key);
}

Task<Result<void>> Commands::compare_once(std::string key) {
  // Those that are begun while the agent answers are not missing in its answer.
  std::vector<LivePtr> ours;
  for (auto at = by_container_.lower_bound({key, ""}); at != by_container_.end() && at->first.first == key; ++at) {
    if (at->second->is_started) ours.push_back(at->second);
  }
  SBX_CO_TRY(theirs, co_await core_.ports.guests->commands(key));
  std::set<std::string> known;
  for (const auto& state : theirs) {
    known.insert(state.id);
    const LivePtr live = find_in(key, state.id);
    if (live && live->is_started && state.is_over) begin_settling(live, state);
    if (!live && !execs_.contains({key, state.id}))
      core_.tasks.spawn("end command", end_stranger(core_.ports.guests, key, state.id));
  }
  for (const LivePtr& live : ours) {
    if (!known.contains(live->record.command.id)) begin_settling_lost(live);
  }
  co_return Result<void>();
}

// Left by a caller that is gone, or by a crash between its start and its record.
Task<void> Commands::end_stranger(ports::GuestCommands* host, std::string key, std::string command) {
  const auto permit = co_await ending_strangers_.acquire();
  auto killed = co_await host->signal(key, command, kKill, true);
  ports::GuestAttach how;
  how.command = command;
  auto attached = co_await host->attach(key, std::move(how));
  if (!attached) co_return;
  OutputTail nothing(0);
  auto ended = co_await aio::with_deadline(core_.ports.clock, kCollectLimit,
                                           read_all(attached->get(), &nothing, UINT64_MAX), "end of a command");
  attached->reset();
  auto dropped = co_await host->drop(key, command);
  if (!killed || !ended || !dropped) kLog.debug("a command was left to its agent", {{"container", key}});
}

}  // namespace sandboxd::node
