// Commands in containers, each named by its id and its container's runtime key: what every way to run them can do.
// Real: guestlink/guest_agents (through the in-sandbox agent), node/runtime_commands (through the runtime).
//
// A command lives until drop(); its output is kept up to a bound, of which the oldest bytes go first. Core thread;
// every call may be cancelled.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "model/command.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sandboxd::ports {

struct GuestCommandState {
  std::string id;
  std::int32_t pid = 0;
  WallTime started_at;
  std::int64_t spawn_ns = 0;  // what fork and exec took; known from start() only
  bool terminal = false;
  bool is_over = false;
  int exit_code = 0;
  int signal = 0;
  bool timed_out = false;
  WallTime ended_at;
  std::uint64_t stdout_begin = 0, stdout_end = 0;
  std::uint64_t stderr_begin = 0, stderr_end = 0;
};

struct GuestExit {
  std::string key;
  GuestCommandState command;
};

// The connection to an agent (again) holds: commands have to be compared with what is recorded.
struct GuestConnected {
  std::string key;
};
// Commands that end from now on do so because their container does.
struct GuestEnding {
  std::string key;
};
// forget(): the container is gone, and its commands with it.
struct GuestGone {
  std::string key;
};
using GuestEvent = std::variant<GuestExit, GuestConnected, GuestEnding, GuestGone>;

// Attached to a command. Destroying it detaches.
class GuestAttachment {
 public:
  virtual ~GuestAttachment() = default;
  // The next output. Nothing: all was given out and the command is over; state() is final then.
  [[nodiscard]] virtual Task<Result<std::optional<model::OutputPiece>>> next() = 0;
  // Waits until the command's stdin takes it. Errors: conflict when it has closed its stdin, or ended.
  [[nodiscard]] virtual Task<Result<void>> write_stdin(std::string bytes) = 0;
  [[nodiscard]] virtual Task<Result<void>> close_stdin() = 0;
  // Until the agent has it: detached before, what is on its way may be lost. Errors: as write_stdin(), and
  // resource_exhausted when too much waits for the command.
  [[nodiscard]] virtual Task<Result<void>> flush_stdin() = 0;
  [[nodiscard]] virtual const GuestCommandState& state() const = 0;
};

struct GuestAttach {
  std::string command;
  std::uint64_t from_stdout = 0;
  std::uint64_t from_stderr = 0;
  bool follow = true;
  bool consume = false;
  bool has_stdin = false;
};

// A command with its first reader.
struct GuestStarted {
  GuestCommandState state;
  std::unique_ptr<GuestAttachment> attachment;
};

class GuestCommands {
 public:
  virtual ~GuestCommands() = default;

  // Exits, connections and ends, in their order for each key. One reader.
  [[nodiscard]] virtual Task<Result<GuestEvent>> next_event() = 0;

  [[nodiscard]] virtual Task<Result<GuestCommandState>> start(std::string key, model::CommandSpec spec) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<GuestCommandState>>> commands(std::string key) = 0;
  [[nodiscard]] virtual Task<Result<std::unique_ptr<GuestAttachment>>> attach(std::string key, GuestAttach how) = 0;
  // start() and attach() in one, for hosts that need not wait between them.
  [[nodiscard]] virtual Task<Result<GuestStarted>> start_attached(std::string key, model::CommandSpec spec,
                                                                  GuestAttach how) {
    SBX_CO_TRY(state, co_await start(key, std::move(spec)));
    SBX_CO_TRY(attachment, co_await attach(std::move(key), std::move(how)));
    co_return GuestStarted{std::move(state), std::move(attachment)};
  }
  [[nodiscard]] virtual Task<Result<void>> signal(std::string key, std::string command, int number, bool group) = 0;
  [[nodiscard]] virtual Task<Result<void>> resize(std::string key, std::string command, model::TerminalSize size) = 0;
  [[nodiscard]] virtual Task<Result<void>> drop(std::string key, std::string command) = 0;  // a finished one
};

}  // namespace sandboxd::ports
