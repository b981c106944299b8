#include "node/command_exec.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");

Task<void> forget(ports::GuestCommands* host, std::string key, std::string command) {
  auto dropped = co_await host->drop(std::move(key), std::move(command));
  if (!dropped) kLog.debug("ended command left to its agent", {{"error", dropped.error().message()}});
}

// A command that reads nothing, or ends, ends this too.
Task<void> feed(std::shared_ptr<ports::GuestAttachment> attachment, std::string input) {
  auto done = co_await attachment->write_stdin(std::move(input));
  if (done) done = co_await attachment->close_stdin();
  if (!done) kLog.debug("input not taken", {{"error", done.error().message()}});
}

// An agent may claim any time.
std::int64_t ns_between(WallTime from, WallTime until) {
  std::int64_t ns = 0;
  return __builtin_sub_overflow(until.ns, from.ns, &ns) ? 0 : std::max<std::int64_t>(0, ns);
}

void put_end(model::Command& command, const ports::GuestCommandState& state, WallTime now) {
  command.finished_at = std::clamp(state.ended_at, command.started_at, std::max(command.started_at, now));
  command.exit_code = state.exit_code;
  command.signal = state.signal;
  command.timed_out = state.timed_out;
  command.stdout_bytes = state.stdout_end;
  command.stderr_bytes = state.stderr_end;
}

}  // namespace

LiveExec::LiveExec(Commands& commands, CommandTarget target, model::Command command)
    : commands_(commands), host_(target.host), key_(std::move(target.key)) {
  outcome_.command = std::move(command);
  commands_.execs_.insert({key_, outcome_.command.id});
}

LiveExec::~LiveExec() {
  const std::string& id = outcome_.command.id;
  commands_.execs_.erase({key_, id});
  attachment_.reset();
  if (is_over_) {
    commands_.core_.tasks.spawn("forget command", forget(&host_, key_, id));
  } else {
    commands_.core_.tasks.spawn("end command", commands_.end_stranger(&host_, key_, id));
  }
}

Task<Result<void>> LiveExec::start(model::CommandSpec spec, std::optional<std::string> input) {
  tail_ = OutputTail(static_cast<std::size_t>(spec.keep_bytes));
  SBX_CO_TRY(started, co_await host_.start_attached(key_, std::move(spec), reading(input.has_value())));
  outcome_.spawn_ns = started.state.spawn_ns;
  spawned_at_ = started.state.started_at;
  attachment_ = std::move(started.attachment);
  if (input) commands_.core_.tasks.spawn("command input", feed(attachment_, *std::move(input)));
  co_return Result<void>();
}

ports::GuestAttach LiveExec::reading(bool has_stdin) const {
  ports::GuestAttach how;
  how.command = outcome_.command.id;
  how.from_stdout = outcome_.command.stdout_bytes;
  how.from_stderr = outcome_.command.stderr_bytes;
  how.consume = true;
  how.has_stdin = has_stdin;
  return how;
}

Task<Result<ExecOutcome>> LiveExec::finish() {
  while (!is_over_) {
    auto next = co_await attachment_->next();
    if (!next && next.error().code() == ErrorCode::unavailable) {
      // The agent connects again, unless its container has ended.
      auto again = co_await host_.attach(key_, reading(false));
      if (again) {
        attachment_ = *std::move(again);
        continue;
      }
      lost();
      break;
    }
    SBX_CO_TRY(piece, std::move(next));
    is_over_ = !piece.has_value();
    if (!piece) continue;
    (piece->is_stderr ? outcome_.command.stderr_bytes : outcome_.command.stdout_bytes) =
        piece->position + piece->bytes.size();
    tail_.add(*piece);
  }
  if (outcome_.command.reason.empty()) {
    put_end(outcome_.command, attachment_->state(), commands_.core_.ports.clock.wall_now());
    outcome_.run_ns = ns_between(spawned_at_, attachment_->state().ended_at);
    if (commands_.ending_.contains(key_)) outcome_.command.reason = model::kContainerEnded;
  }
  outcome_.output = tail_.take();
  co_return outcome_;
}

// Its output up to there is not.
void LiveExec::lost() {
  outcome_.command.exit_code = -1;
  outcome_.command.reason = model::kContainerEnded;
  outcome_.command.finished_at = std::max(outcome_.command.started_at, commands_.core_.ports.clock.wall_now());
  is_over_ = true;
}

}  // namespace sandboxd::node
