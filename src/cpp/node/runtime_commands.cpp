#include "node/runtime_commands.hpp"

#include "aio/deadline.hpp"
#include "aio/shield.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kCommandsMax = 256;                         // of one container: each costs its shim pipes
constexpr Duration kLastOutput = std::chrono::milliseconds(200);  // after the exit, when descendants hold the pipes
constexpr Duration kLeftPause = std::chrono::seconds(2);
constexpr int kKill = 9;
constexpr int kUnknownExit = -1;
constexpr int kSignalled = 128;

class Attachment final : public ports::GuestAttachment {
 public:
  Attachment(RuntimeCommandPtr command, ports::GuestAttach how) : command_(std::move(command)), how_(std::move(how)) {
    if (how_.consume) command_->has_consumer = true;
    if (how_.has_stdin) command_->has_writer = true;
  }
  ~Attachment() override {
    if (how_.consume) command_->has_consumer = false;
    if (how_.has_stdin) command_->has_writer = false;
  }
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  Task<Result<std::optional<model::OutputPiece>>> next() override {
    for (;;) {
      if (auto piece = take(command_->out, how_.from_stdout, false)) co_return piece;
      if (auto piece = take(command_->err, how_.from_stderr, true)) co_return piece;
      if (!how_.follow || (command_->state.is_over && !command_->is_paused())) break;
      co_await command_->changed.wait();
    }
    state_ = command_->state_now();
    co_return std::optional<model::OutputPiece>();
  }
  Task<Result<void>> write_stdin(std::string bytes) override {
    if (command_->state.is_over) co_return Error(ErrorCode::conflict, "the command has ended");
    const auto process = command_->process;
    co_return co_await process->write_stdin(std::move(bytes));
  }
  Task<Result<void>> close_stdin() override {
    if (command_->state.is_over) co_return Result<void>();
    const auto process = command_->process;
    // A terminal has no end: a program is told so by the character that stands for it.
    if (command_->state.terminal) co_return co_await process->write_stdin("\4");
    co_return co_await process->close_stdin();
  }
  Task<Result<void>> flush_stdin() override { co_return Result<void>(); }
  [[nodiscard]] const ports::GuestCommandState& state() const override { return state_; }

 private:
  std::optional<model::OutputPiece> take(OutputRing& ring, std::uint64_t& position, bool is_stderr) {
    const std::string_view bytes = ring.read(position, kPieceBytes);
    if (bytes.empty()) return std::nullopt;
    model::OutputPiece piece{is_stderr, position, std::string(bytes)};
    position += bytes.size();
    if (how_.consume) {
      ring.consume_to(position);
      command_->changed.notify();
    }
    return piece;
  }

  RuntimeCommandPtr command_;
  ports::GuestAttach how_;
  ports::GuestCommandState state_;
};

ports::RuntimeExecRequest request_of(const std::string& key, const model::CommandSpec& spec) {
  ports::RuntimeExecRequest request;
  request.key = key;
  request.argv = spec.argv;
  request.env = spec.env;
  request.cwd = spec.cwd;
  request.user = spec.user;
  request.has_stdin = spec.has_stdin;
  request.terminal = spec.terminal;
  return request;
}

Task<void> forget(std::shared_ptr<ports::RuntimeProcess> process) { co_await process->forget(); }

bool cannot_be_run(const Error& error) {
  return error.code() == ErrorCode::not_found || error.code() == ErrorCode::permission_denied;
}

}  // namespace

ports::GuestCommandState RuntimeCommand::state_now() const {
  ports::GuestCommandState now = state;
  now.stdout_begin = out.begin();
  now.stdout_end = out.end();
  now.stderr_begin = err.begin();
  now.stderr_end = err.end();
  return now;
}

Task<void> RuntimeCommands::end_left() {
  for (;;) {
    const auto ended = co_await exec_.end_left_processes();
    if (ended) co_return;
    kLog.warn("commands of the last run not ended yet", {{"error", ended.error().message()}});
    co_await clock_.sleep_for(kLeftPause);
  }
}

Task<Result<ports::GuestEvent>> RuntimeCommands::next_event() {
  while (events_.empty()) co_await told_.wait();
  ports::GuestEvent event = std::move(events_.front());
  events_.pop_front();
  co_return event;
}

// Shielded: of a process whose start was given up nobody would know.
Task<Result<ports::GuestCommandState>> RuntimeCommands::start(std::string key, model::CommandSpec spec) {
  return aio::shield(start_now(std::move(key), std::move(spec)));
}

Task<Result<ports::GuestCommandState>> RuntimeCommands::start_now(std::string key, model::CommandSpec spec) {
  if (commands_.contains({key, spec.id}))
    co_return Error(ErrorCode::already_exists, "command " + spec.id + " is there already");
  if (per_container_[key] >= kCommandsMax)
    co_return Error(ErrorCode::resource_exhausted, "there are " + std::to_string(kCommandsMax) + " commands already");
  const auto command = std::make_shared<RuntimeCommand>(executor_, spec);
  command->state.id = spec.id;
  command->state.terminal = spec.terminal.has_value();
  command->state.started_at = clock_.wall_now();
  const MonoTime before = clock_.mono_now();
  commands_[{key, spec.id}] = command;
  ++per_container_[key];
  auto started = co_await exec_.start_process(request_of(key, spec));
  command->state.spawn_ns = (clock_.mono_now() - before).count();
  if (!started && !cannot_be_run(started.error())) {
    (void)co_await drop(key, spec.id);
    co_return started.error();
  }
  if (!started) {
    unstarted(key, command, started.error());
    co_return command->state_now();
  }
  command->process = *std::move(started);
  command->state.pid = static_cast<std::int32_t>(command->process->pid());
  command->streams_open = spec.terminal ? 1 : 2;
  tasks_.spawn("command output", read_stream(command, false));
  if (!spec.terminal) tasks_.spawn("command output", read_stream(command, true));
  tasks_.spawn("command", watch(key, command, spec.timeout));
  co_return command->state_now();
}

void RuntimeCommands::unstarted(const std::string& key, const RuntimeCommandPtr& command, const Error& why) {
  command->state.exit_code = why.code() == ErrorCode::not_found ? 127 : 126;
  command->state.ended_at = clock_.wall_now();
  const std::string line = why.message() + (command->state.terminal ? "\r\n" : "\n");
  OutputRing& ring = command->state.terminal ? command->out : command->err;
  ring.append(std::string_view(line).substr(0, static_cast<std::size_t>(ring.room())));
  set_over(key, command);
}

void RuntimeCommands::set_over(const std::string& key, const RuntimeCommandPtr& command) {
  command->state.is_over = true;
  command->changed.notify();
  events_.emplace_back(ports::GuestExit{key, command->state_now()});
  told_.notify();
}

Task<void> RuntimeCommands::read_stream(RuntimeCommandPtr command, bool is_stderr) {
  OutputRing& ring = is_stderr ? command->err : command->out;
  bool& waits = is_stderr ? command->err_waits : command->out_waits;
  for (;;) {
    waits = ring.room() == 0;
    if (waits) {
      co_await command->changed.wait();
      continue;
    }
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(ring.room(), kPieceBytes));
    const auto bytes = co_await command->process->read(is_stderr, most);
    if (!bytes || bytes->empty()) break;
    ring.append(*bytes);
    command->changed.notify();
  }
  --command->streams_open;
  command->changed.notify();
}

namespace {

Task<Result<std::optional<int>>> exit_of(std::shared_ptr<ports::RuntimeProcess> process) {
  co_return co_await process->wait();
}

}  // namespace

Task<void> RuntimeCommands::watch(std::string key, RuntimeCommandPtr command, Duration timeout) {
  const auto process = command->process;
  Result<std::optional<int>> exit = std::optional<int>();
  if (timeout.count() > 0) {
    exit = co_await aio::with_deadline(clock_, timeout, exit_of(process), "command");
    if (!exit) {
      command->state.timed_out = true;
      command->last_signal = kKill;
      (void)co_await process->signal(kKill, true);
    }
  }
  if (timeout.count() == 0 || !exit) exit = co_await exit_of(process);
  command->state.exit_code = (*exit).value_or(kUnknownExit);
  if (command->state.exit_code == kSignalled + command->last_signal) command->state.signal = command->last_signal;
  command->state.ended_at = clock_.wall_now();
  // What it wrote is in the pipes. The end of them may come later, or never, when others hold them.
  (void)co_await aio::with_deadline(clock_, kLastOutput, last_output(command), "output");
  set_over(key, command);
}

Task<Result<void>> RuntimeCommands::last_output(RuntimeCommandPtr command) {
  while (command->streams_open > 0) co_await command->changed.wait();
  co_return Result<void>();
}

Result<RuntimeCommandPtr> RuntimeCommands::find(const std::string& key, const std::string& command) const {
  const auto at = commands_.find({key, command});
  if (at == commands_.end()) return Error(ErrorCode::not_found, "there is no command " + command);
  return at->second;
}

Result<RuntimeCommandPtr> RuntimeCommands::running(const std::string& key, const std::string& command) const {
  SBX_TRY(found, find(key, command));
  if (found->state.is_over || !found->process)
    return Error(ErrorCode::not_found, "command " + command + " does not run");
  return found;
}

Task<Result<std::vector<ports::GuestCommandState>>> RuntimeCommands::commands(std::string key) {
  std::vector<ports::GuestCommandState> states;
  for (auto at = commands_.lower_bound({key, ""}); at != commands_.end() && at->first.first == key; ++at)
    states.push_back(at->second->state_now());
  co_return states;
}

Task<Result<std::unique_ptr<ports::GuestAttachment>>> RuntimeCommands::attach(std::string key, ports::GuestAttach how) {
  SBX_CO_TRY(command, find(key, how.command));
  if (how.consume && command->has_consumer) co_return Error(ErrorCode::conflict, "another reader consumes the output");
  if (how.has_stdin && command->has_writer) co_return Error(ErrorCode::conflict, "another writer has the stdin");
  co_return std::make_unique<Attachment>(std::move(command), std::move(how));
}

Task<Result<void>> RuntimeCommands::signal(std::string key, std::string id, int number, bool group) {
  SBX_CO_TRY(command, running(key, id));
  command->last_signal = number;
  const auto process = command->process;
  co_return co_await process->signal(number, group);
}

Task<Result<void>> RuntimeCommands::resize(std::string key, std::string id, model::TerminalSize size) {
  SBX_CO_TRY(command, running(key, id));
  const auto process = command->process;
  co_return co_await process->resize(size);
}

Task<Result<void>> RuntimeCommands::drop(std::string key, std::string id) {
  SBX_CO_TRY(command, find(key, id));
  if (command->process && !command->state.is_over)
    co_return Error(ErrorCode::conflict, "command " + id + " still runs");
  commands_.erase({key, id});
  if (--per_container_[key] == 0) per_container_.erase(key);
  if (command->process) tasks_.spawn("forget process", forget(command->process));
  co_return Result<void>();
}

}  // namespace sandboxd::node
