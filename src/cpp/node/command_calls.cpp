// What callers do with commands.
#include "aio/deadline.hpp"
#include "aio/shield.hpp"
#include "node/command_exec.hpp"
#include "node/command_follow.hpp"
#include "node/commands.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr std::string_view kExecPrefix = "exec_";
constexpr std::size_t kIdDigits = 40;
constexpr std::uint64_t kAllPositions = UINT64_MAX;

Error not_running(const Entry& entry) {
  return {ErrorCode::conflict,
          "sandbox " + entry.id().str() + " is " + std::string(model::to_string(entry.record.phase)) + ", not running"};
}

// What stands still does not answer.
bool may_look(const Entry& entry) { return entry.record.phase == model::Phase::running; }

model::Command to_command(const SandboxId& id, const model::CommandSpec& spec, WallTime now) {
  model::Command command;
  command.id = spec.id;
  command.sandbox = id;
  command.container = spec.container;
  command.argv = spec.argv;
  command.cwd = spec.cwd;
  command.user = spec.user;
  command.terminal = spec.terminal.has_value();
  command.labels = spec.labels;
  command.started_at = now;
  return command;
}

}  // namespace

Result<EntryPtr> Commands::entry_of(const SandboxId& id) const {
  EntryPtr entry = core_.table.find(id);
  if (!entry || !entry->accepted) return Error(ErrorCode::not_found, "no sandbox " + id.str());
  return entry;
}

ports::GuestCommands* Commands::host_of(const Entry& entry) {
  if (has_agent(core_, entry)) return core_.ports.guests;
  return through_runtime_ ? &*through_runtime_ : nullptr;
}

Result<std::string> Commands::key_of(const Entry& entry, const std::string& container) const {
  if (entry.record.phase != model::Phase::running) return not_running(entry);
  const auto& all = entry.record.containers;
  auto at = std::ranges::find_if(all, [&](const auto& one) { return container.empty() || one.name == container; });
  if (at == all.end())
    return Error(ErrorCode::not_found, "no container " + container + " in sandbox " + entry.id().str());
  return at->key;
}

Result<CommandTarget> Commands::command_target(const SandboxId& id, const std::string& container) {
  SBX_TRY(entry, entry_of(id));
  SBX_TRY(key, key_of(*entry, container));
  ports::GuestCommands* const host = host_of(*entry);
  if (host == nullptr || core_.ports.commands == nullptr)
    return Error(ErrorCode::unsupported, "commands in sandboxes without the in-sandbox agent are not to be had here");
  return CommandTarget{*host, std::move(key)};
}

Result<GuestTarget> Commands::target(const SandboxId& id, const std::string& container) const {
  SBX_TRY(entry, entry_of(id));
  SBX_TRY(key, key_of(*entry, container));
  if (!has_agent(core_, *entry))
    return Error(ErrorCode::unsupported,
                 "sandbox " + id.str() + " was made without the in-sandbox agent, which files, ports and processes " +
                     "need: make it with \"agent\": true, or run a command in it");
  return GuestTarget{*core_.ports.guests, std::move(key)};
}

Task<Result<model::Command>> Commands::begin(SandboxId id, model::CommandSpec spec) {
  if (spec.id.starts_with(kExecPrefix))
    co_return Error(ErrorCode::invalid_argument, "id: \"exec_\" is what unrecorded commands begin with");
  SBX_CO_TRY(to, command_target(id, spec.container));
  SBX_CO_TRY(entry, entry_of(id));
  if (spec.id.empty()) spec.id = "cmd_" + core_.random.hex(kIdDigits);
  if (spec.container.empty()) spec.container = entry->record.containers.front().name;
  if (find_live(id, spec.id)) co_return Error(ErrorCode::already_exists, "command " + spec.id + " is there");
  const LivePtr live =
      insert({to_command(id, spec, core_.ports.clock.wall_now()), entry->record.uid, std::move(to.key)}, &to.host);
  live->keep_bytes = spec.keep_bytes;
  // Shielded: what was recorded is also started, or not there.
  co_return co_await aio::shield(begin_recorded(live, std::move(spec)));
}

Task<Result<model::Command>> Commands::begin_recorded(LivePtr live, model::CommandSpec spec) {
  auto recorded = co_await core_.ports.commands->add(live->record);
  if (!recorded) {
    drop(live);
    if (recorded.error().code() == ErrorCode::already_exists)
      co_return Error(ErrorCode::already_exists, "command " + spec.id + " is there");
    co_return recorded.error();
  }
  auto started = co_await live->host->start(live->record.key, std::move(spec));
  if (!started) {
    const model::Command& command = live->record.command;
    auto erased = co_await core_.ports.commands->erase(command.sandbox, command.id);
    drop(live);
    if (!erased) co_return erased.error();
    co_return started.error();
  }
  live->is_started = true;
  if (live->early_end) begin_settling(live, *live->early_end);
  co_return live->record.command;
}

Task<Result<std::vector<model::Command>>> Commands::list(SandboxId id) {
  SBX_CO_TRY(entry, entry_of(id));
  if (core_.ports.commands == nullptr) co_return std::vector<model::Command>();
  SBX_CO_TRY(commands, co_await core_.ports.commands->list(id));
  std::set<std::string> silent;  // containers whose agent kept us waiting: once is enough
  for (model::Command& command : commands) {
    const LivePtr live = command.exit_code ? nullptr : find_live(id, command.id);
    if (!live) continue;
    if (may_look(*entry) && !silent.contains(live->record.key)) {
      const bool answered = co_await look(live);
      if (!answered) silent.insert(live->record.key);
    }
    command = live->record.command;
  }
  co_return commands;
}

Task<Result<void>> Commands::wait_finished(LivePtr live) const {
  while (find_live(live->record.command.sandbox, live->record.command.id) == live) co_await live->changed.wait();
  co_return Result<void>();
}

Task<Result<model::Command>> Commands::get(SandboxId id, std::string command, Duration wait) {
  SBX_CO_TRY(entry, entry_of(id));
  if (const LivePtr live = find_live(id, command)) {
    if (wait.count() > 0) {
      auto waited = co_await aio::with_deadline(core_.ports.clock, wait, wait_finished(live), "command");
      if (!waited && waited.error().code() != ErrorCode::deadline_exceeded) co_return waited.error();
    }
    if (may_look(*entry)) (void)co_await look(live);
    co_return live->record.command;
  }
  if (core_.ports.commands == nullptr) co_return Error(ErrorCode::not_found, "no command " + command);
  SBX_CO_TRY(stored, co_await core_.ports.commands->get(id, std::move(command)));
  co_return std::move(stored.command);
}

Task<Result<void>> Commands::remove(SandboxId id, std::string command) {
  SBX_CO_CHECK(co_await get(id, command, {}));
  if (find_live(id, command)) co_return Error(ErrorCode::conflict, "command " + command + " runs: end it first");
  co_return co_await core_.ports.commands->erase(id, command);
}

// Not one that has finished, and only in a sandbox that runs.
Task<Result<LivePtr>> Commands::running(SandboxId id, std::string command) const {
  SBX_CO_TRY(entry, entry_of(id));
  LivePtr live = find_live(id, command);
  if (!live || live->is_settling) {
    if (!live && core_.ports.commands != nullptr) SBX_CO_CHECK(co_await core_.ports.commands->get(id, command));
    if (!live && core_.ports.commands == nullptr) co_return Error(ErrorCode::not_found, "no command " + command);
    co_return Error(ErrorCode::conflict, "command " + command + " has finished");
  }
  if (entry->record.phase != model::Phase::running) co_return not_running(*entry);
  co_return live;
}

Task<Result<model::Command>> Commands::signal(SandboxId id, std::string command, int number, bool group,
                                              Duration wait) {
  SBX_CO_TRY(live, co_await running(id, command));
  SBX_CO_CHECK(co_await live->host->signal(live->record.key, command, number, group));
  co_return co_await get(std::move(id), std::move(command), wait);
}

Task<Result<void>> Commands::resize(SandboxId id, std::string command, model::TerminalSize size) {
  SBX_CO_TRY(live, co_await running(std::move(id), command));
  if (!live->record.command.terminal) co_return Error(ErrorCode::conflict, "command " + command + " has no terminal");
  co_return co_await live->host->resize(live->record.key, std::move(command), size);
}

Task<Result<model::CommandOutput>> Commands::output(SandboxId id, std::string command) {
  SBX_CO_TRY(entry, entry_of(id));
  const LivePtr live = find_live(id, command);
  if (live && !live->is_settling) {
    const auto permit = co_await collecting_.acquire();
    co_return co_await collect(live);
  }
  if (live) SBX_CO_CHECK(co_await wait_finished(live));
  if (core_.ports.commands == nullptr) co_return Error(ErrorCode::not_found, "no command " + command);
  co_return co_await core_.ports.commands->output(std::move(id), std::move(command));
}

Task<Result<std::unique_ptr<CommandFollow>>> Commands::follow(SandboxId id, std::string command, FollowFrom from) {
  SBX_CO_TRY(found, co_await get(id, command, {}));
  co_return std::make_unique<LiveFollow>(*this, std::move(found), from);
}

Task<Result<std::unique_ptr<ports::GuestAttachment>>> Commands::open_stdin(SandboxId id, std::string command) {
  SBX_CO_TRY(live, co_await running(std::move(id), command));
  ports::GuestAttach how;
  how.command = std::move(command);
  how.from_stdout = kAllPositions;
  how.from_stderr = kAllPositions;
  how.has_stdin = true;
  co_return co_await live->host->attach(live->record.key, std::move(how));
}

Task<Result<std::unique_ptr<Exec>>> Commands::exec(SandboxId id, model::CommandSpec spec,
                                                   std::optional<std::string> input) {
  SBX_CO_TRY(to, command_target(id, spec.container));
  SBX_CO_TRY(entry, entry_of(id));
  if (spec.container.empty()) spec.container = entry->record.containers.front().name;
  spec.id = std::string(kExecPrefix) + core_.random.hex(kIdDigits);
  auto exec = std::make_unique<LiveExec>(*this, std::move(to), to_command(id, spec, core_.ports.clock.wall_now()));
  SBX_CO_CHECK(co_await exec->start(std::move(spec), std::move(input)));
  co_return exec;
}

}  // namespace sandboxd::node
