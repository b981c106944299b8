#include "sim/memory_guest.hpp"

#include <utility>

namespace sandboxd::sim {
namespace {

Error away() { return {ErrorCode::unavailable, "the agent is not connected"}; }
Error no_files() { return {ErrorCode::unsupported, "no files in memory"}; }

class Attachment final : public ports::GuestAttachment {
 public:
  Attachment(std::shared_ptr<GuestMachine> machine, std::string key, ports::GuestAttach how)
      : machine_(std::move(machine)), key_(std::move(key)), how_(std::move(how)) {}

  Task<Result<std::optional<model::OutputPiece>>> next() override {
    for (;;) {
      const auto container = machine_->containers.find(key_);
      if (container == machine_->containers.end() || !container->second.is_connected) co_return away();
      const auto at = container->second.commands.find(how_.command);
      if (at == container->second.commands.end()) co_return Error(ErrorCode::not_found, "no command " + how_.command);
      const GuestMachine::Command& command = at->second;
      if (auto piece = take(command.stdout_bytes, how_.from_stdout, false)) co_return piece;
      if (auto piece = take(command.stderr_bytes, how_.from_stderr, true)) co_return piece;
      if (command.state.is_over || !how_.follow) {
        state_ = command.state;
        state_.stdout_end = command.stdout_bytes.size();
        state_.stderr_end = command.stderr_bytes.size();
        co_return std::optional<model::OutputPiece>();
      }
      co_await machine_->changed.wait();
    }
  }
  Task<Result<void>> write_stdin(std::string bytes) override {
    machine_->containers[key_].commands[how_.command].stdin_bytes += bytes;
    co_return Result<void>();
  }
  Task<Result<void>> close_stdin() override { co_return Result<void>(); }
  Task<Result<void>> flush_stdin() override { co_return Result<void>(); }
  [[nodiscard]] const ports::GuestCommandState& state() const override { return state_; }

 private:
  static std::optional<model::OutputPiece> take(const std::string& bytes, std::uint64_t& from, bool is_stderr) {
    if (from >= bytes.size()) return std::nullopt;
    model::OutputPiece piece{is_stderr, from, bytes.substr(from)};
    from = bytes.size();
    return piece;
  }

  std::shared_ptr<GuestMachine> machine_;
  std::string key_;
  ports::GuestAttach how_;
  ports::GuestCommandState state_;
};

}  // namespace

void GuestMachine::tell(ports::GuestEvent event) {
  events.push_back(std::move(event));
  changed.notify();
}

void GuestMachine::connect(const std::string& key) {
  containers[key].is_connected = true;
  tell(ports::GuestConnected{key});
}

void GuestMachine::disconnect(const std::string& key) {
  containers[key].is_connected = false;
  changed.notify();
}

void GuestMachine::print(const std::string& key, const std::string& command, std::string_view bytes, bool is_stderr) {
  Command& to = containers[key].commands[command];
  (is_stderr ? to.stderr_bytes : to.stdout_bytes) += bytes;
  changed.notify();
}

// Nobody hears of it while the agent is away.
void GuestMachine::end(const std::string& key, const std::string& command, int exit_code, WallTime at) {
  Container& container = containers[key];
  Command& ended = container.commands[command];
  ended.state.is_over = true;
  ended.state.exit_code = exit_code;
  ended.state.ended_at = at;
  ended.state.stdout_end = ended.stdout_bytes.size();
  ended.state.stderr_end = ended.stderr_bytes.size();
  changed.notify();
  if (container.is_connected) tell(ports::GuestExit{key, ended.state});
}

Result<GuestMachine::Command*> MemoryGuests::find(const std::string& key, const std::string& command) const {
  const auto container = machine_->containers.find(key);
  if (container == machine_->containers.end() || !container->second.is_connected) return away();
  const auto at = container->second.commands.find(command);
  if (at == container->second.commands.end()) return Error(ErrorCode::not_found, "no command " + command);
  return &at->second;
}

Task<Result<ports::BindMount>> MemoryGuests::prepare(std::string key) {
  machine_->containers[key] = {};
  co_return ports::BindMount{"/agents/" + key, "/.sandboxd", true};
}

Task<Result<void>> MemoryGuests::set_up(std::string key, ports::GuestSetup setup) {
  machine_->containers[key].setup = std::move(setup);
  co_return Result<void>();
}

Task<Result<void>> MemoryGuests::adopt(std::string key) {
  if (!machine_->containers.contains(key)) co_return Error(ErrorCode::not_found, "no directory of " + key);
  co_return Result<void>();
}

Task<Result<void>> MemoryGuests::forget(std::string key) {
  machine_->containers.erase(key);
  machine_->tell(ports::GuestGone{std::move(key)});
  co_return Result<void>();
}

Task<Result<std::vector<std::string>>> MemoryGuests::list() {
  std::vector<std::string> keys;
  for (const auto& [key, container] : machine_->containers) keys.push_back(key);
  co_return keys;
}

Task<Result<ports::GuestStart>> MemoryGuests::wait_connected(std::string key, Duration) {
  machine_->connect(key);
  co_return ports::GuestStart{};
}

Task<Result<ports::GuestEvent>> MemoryGuests::next_event() {
  while (machine_->events.empty()) co_await machine_->changed.wait();
  auto event = std::move(machine_->events.front());
  machine_->events.pop_front();
  co_return event;
}

Task<Result<ports::GuestCommandState>> MemoryGuests::start(std::string key, model::CommandSpec spec) {
  const auto container = machine_->containers.find(key);
  if (container == machine_->containers.end() || !container->second.is_connected) co_return away();
  if (spec.user == "nobody-knows") co_return Error(ErrorCode::invalid_argument, "no user nobody-knows");
  GuestMachine::Command& command = container->second.commands[spec.id];
  command.state.id = spec.id;
  command.spec = std::move(spec);
  co_return command.state;
}

Task<Result<std::vector<ports::GuestCommandState>>> MemoryGuests::commands(std::string key) {
  const auto container = machine_->containers.find(key);
  if (container == machine_->containers.end() || !container->second.is_connected) co_return away();
  std::vector<ports::GuestCommandState> states;
  for (const auto& [id, command] : container->second.commands) states.push_back(command.state);
  co_return states;
}

Task<Result<std::unique_ptr<ports::GuestAttachment>>> MemoryGuests::attach(std::string key, ports::GuestAttach how) {
  SBX_CO_CHECK(find(key, how.command));
  co_return std::make_unique<Attachment>(machine_, std::move(key), std::move(how));
}

Task<Result<void>> MemoryGuests::signal(std::string key, std::string command, int number, bool) {
  SBX_CO_TRY(found, find(key, command));
  if (found->state.is_over) co_return Error(ErrorCode::not_found, "command " + command + " has ended");
  machine_->end(key, command, 128 + number, found->state.started_at);
  co_return Result<void>();
}

Task<Result<void>> MemoryGuests::resize(std::string key, std::string command, model::TerminalSize size) {
  SBX_CO_TRY(found, find(key, command));
  found->spec.terminal = size;
  co_return Result<void>();
}

Task<Result<void>> MemoryGuests::drop(std::string key, std::string command) {
  SBX_CO_TRY(found, find(key, command));
  if (!found->state.is_over) co_return Error(ErrorCode::conflict, "command " + command + " still runs");
  machine_->containers[key].commands.erase(command);
  co_return Result<void>();
}

Task<Result<model::FileInfo>> MemoryGuests::stat(std::string, ports::GuestPath, bool) { co_return no_files(); }
Task<Result<std::unique_ptr<ports::GuestReader>>> MemoryGuests::read(std::string, ports::GuestPath, std::uint64_t,
                                                                     std::uint64_t) {
  co_return no_files();
}
Task<Result<std::unique_ptr<ports::GuestWriter>>> MemoryGuests::write(std::string, ports::GuestPath, std::uint32_t,
                                                                      bool) {
  co_return no_files();
}
Task<Result<std::vector<model::FileInfo>>> MemoryGuests::list_files(std::string, ports::GuestPath, std::uint32_t) {
  co_return no_files();
}
Task<Result<model::FileInfo>> MemoryGuests::make_directory(std::string, ports::GuestPath, std::uint32_t, bool) {
  co_return no_files();
}
Task<Result<void>> MemoryGuests::remove(std::string, ports::GuestPath, bool) { co_return no_files(); }
Task<Result<model::FileInfo>> MemoryGuests::rename(std::string, ports::GuestPath, std::string) { co_return no_files(); }
Task<Result<std::unique_ptr<ports::GuestReader>>> MemoryGuests::pack(std::string, ports::GuestPath) {
  co_return no_files();
}
Task<Result<std::unique_ptr<ports::GuestWriter>>> MemoryGuests::unpack(std::string, ports::GuestPath) {
  co_return no_files();
}
Task<Result<std::unique_ptr<ports::GuestWatch>>> MemoryGuests::watch(std::string, ports::GuestPath, bool) {
  co_return no_files();
}
Task<Result<std::vector<ports::GuestPort>>> MemoryGuests::listening_ports(std::string) { co_return no_files(); }
Task<Result<std::vector<ports::GuestProcess>>> MemoryGuests::processes(std::string) { co_return no_files(); }

}  // namespace sandboxd::sim
