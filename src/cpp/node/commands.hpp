// The commands that run in this node's sandboxes, and the way to their files.
//
// A command is recorded before it is started and lives on in its container's agent, whatever happens to this process.
// While it runs its output is in the agent; when it ended, record and output are kept here (CommandStore) and the agent
// forgets it. After every connection of an agent both sides are compared: what ended meanwhile is taken in, what the
// agent does not know has ended with exit code -1, and what nobody here knows of is killed. Work for one container
// never waits for another's.
//
// exec() leaves no record: it exists as long as its caller does. Core thread only.
#pragma once

#include "aio/notifier.hpp"
#include "aio/semaphore.hpp"
#include "node/agent_core.hpp"
#include "node/runtime_commands.hpp"
#include "ports/guest_agents.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::node {

// A command that has not finished.
struct LiveCommand {
  LiveCommand(const boost::asio::any_io_executor& executor, ports::StoredCommand stored, ports::GuestCommands* runs_it)
      : record(std::move(stored)), host(runs_it), changed(executor) {}
  ports::StoredCommand record;
  ports::GuestCommands* host;  // null: of the last run, and gone with it
  std::int64_t keep_bytes = model::kCommandKeepBytes;
  bool is_started = false;
  bool is_settling = false;
  bool is_finished = false;                           // `record` is final
  std::optional<ports::GuestCommandState> early_end;  // it came before the answer to its start
  std::optional<model::CommandOutput> saved;          // what it had written before its container was killed
  aio::Notifier changed;
};
using LivePtr = std::shared_ptr<LiveCommand>;

// A container in which commands can run, and how.
struct CommandTarget {
  ports::GuestCommands& host;
  std::string key;
};

// A container with an in-sandbox agent.
struct GuestTarget {
  ports::GuestAgents& guests;
  std::string key;
};

struct ExecOutcome {
  model::Command command;
  model::CommandOutput output;
  std::int64_t spawn_ns = 0;  // what fork and exec took inside
  std::int64_t run_ns = 0;    // from before them until the process was reaped, by the clock inside; 0: not known
};

// A command that lives as long as this does: destroyed before its end, it is killed.
class Exec {
 public:
  virtual ~Exec() = default;
  // Waits for its end. May be cancelled and called again; the outcome is given out once.
  [[nodiscard]] virtual Task<Result<ExecOutcome>> finish() = 0;
};

// A command's output as it comes. Destroying it detaches.
class CommandFollow {
 public:
  virtual ~CommandFollow() = default;
  // Nothing: the command has finished, and command() is final.
  [[nodiscard]] virtual Task<Result<std::optional<model::OutputPiece>>> next() = 0;
  [[nodiscard]] virtual Task<Result<void>> write_stdin(std::string bytes) = 0;
  [[nodiscard]] virtual Task<Result<void>> close_stdin() = 0;
  [[nodiscard]] virtual const model::Command& command() const = 0;
};

struct FollowFrom {
  std::uint64_t stdout_position = 0;
  std::uint64_t stderr_position = 0;
  bool has_stdin = false;
};

class Commands {
 public:
  explicit Commands(AgentCore& core);

  // After the records of the sandboxes were loaded: takes up the commands of the last run and listens for the agents.
  [[nodiscard]] Task<Result<void>> start();
  // Takes in what agents and runtime tell; ends when its task group does.
  void follow();

  // Errors of all: not_found (sandbox, container, command), conflict (the sandbox does not run), unsupported (nothing
  // here runs commands), unavailable, and the agent's or the runtime's own.
  [[nodiscard]] Task<Result<model::Command>> begin(SandboxId id, model::CommandSpec spec);
  [[nodiscard]] Task<Result<std::vector<model::Command>>> list(SandboxId id);
  // As it is now, or when it has finished, or after `wait`.
  [[nodiscard]] Task<Result<model::Command>> get(SandboxId id, std::string command, Duration wait);
  // A finished one; conflict while it runs.
  [[nodiscard]] Task<Result<void>> remove(SandboxId id, std::string command);
  [[nodiscard]] Task<Result<model::Command>> signal(SandboxId id, std::string command, int number, bool group,
                                                    Duration wait);
  [[nodiscard]] Task<Result<void>> resize(SandboxId id, std::string command, model::TerminalSize size);
  [[nodiscard]] Task<Result<model::CommandOutput>> output(SandboxId id, std::string command);
  [[nodiscard]] Task<Result<std::unique_ptr<CommandFollow>>> follow(SandboxId id, std::string command, FollowFrom from);
  // The way to its stdin; nobody else has it meanwhile.
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestAttachment>>> open_stdin(SandboxId id, std::string command);
  // Started, without a record. `input` is what it reads on its stdin; spec.has_stdin is true then.
  [[nodiscard]] Task<Result<std::unique_ptr<Exec>>> exec(SandboxId id, model::CommandSpec spec,
                                                         std::optional<std::string> input);

  // The agent of the container of that name, or of the first. Errors: also unsupported (it has none).
  [[nodiscard]] Result<GuestTarget> target(const SandboxId& id, const std::string& container) const;

 private:
  friend class LiveFollow;
  friend class LiveExec;
  using Key = std::pair<SandboxId, std::string>;

  [[nodiscard]] ports::GuestCommands* host_of(const Entry& entry);
  [[nodiscard]] Result<std::string> key_of(const Entry& entry, const std::string& container) const;
  [[nodiscard]] Result<CommandTarget> command_target(const SandboxId& id, const std::string& container);
  [[nodiscard]] Result<EntryPtr> entry_of(const SandboxId& id) const;
  [[nodiscard]] LivePtr find_live(const SandboxId& id, const std::string& command) const;
  [[nodiscard]] Task<Result<LivePtr>> running(SandboxId id, std::string command) const;
  [[nodiscard]] LivePtr find_in(const std::string& key, const std::string& command) const;
  LivePtr insert(ports::StoredCommand stored, ports::GuestCommands* host);
  void drop(const LivePtr& live);

  Task<Result<model::Command>> begin_recorded(LivePtr live, model::CommandSpec spec);
  Task<Result<void>> wait_finished(LivePtr live) const;
  Task<model::CommandOutput> collect(LivePtr live);
  Task<void> take_events(ports::GuestCommands* from);
  Task<void> settle(LivePtr live, ports::GuestCommandState state);
  Task<void> settle_lost(LivePtr live, const char* reason);
  Task<void> save_output(std::string key);
  Task<Result<void>> save_all(std::string key);
  Task<bool> look(LivePtr live);
  Task<Result<void>> look_at(LivePtr live);
  Task<void> record_end(LivePtr live, model::CommandOutput output);
  Task<void> compare(std::string key);
  Task<Result<void>> compare_once(std::string key);
  Task<void> end_stranger(ports::GuestCommands* host, std::string key, std::string command);
  void take(const ports::GuestEvent& event);
  void begin_settling(const LivePtr& live, ports::GuestCommandState state);
  void begin_settling_lost(const LivePtr& live, const char* reason = model::kContainerEnded);

  AgentCore& core_;
  std::optional<RuntimeCommands> through_runtime_;  // for containers without an agent
  std::map<Key, LivePtr> live_;
  std::map<std::pair<std::string, std::string>, LivePtr> by_container_;  // container key, command id
  std::set<std::pair<std::string, std::string>> execs_;
  std::set<std::string> ending_;           // containers
  std::map<std::string, bool> comparing_;  // container key; true: once more
  aio::Semaphore collecting_;              // outputs in memory on their way to the store
  aio::Semaphore ending_strangers_;
};

}  // namespace sandboxd::node
