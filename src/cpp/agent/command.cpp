#include "agent/command.hpp"

#include "agent/users.hpp"

#include <algorithm>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

namespace sandboxd::agent {
namespace {

constexpr std::int64_t kMilli = 1'000'000;
constexpr std::int64_t kLastOutputNs = 100 * kMilli;  // after the exit, when descendants hold the pipes
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kLastBytesMax = 1 << 20;  // read at once when the time for the last output is over

}  // namespace

Command::Command(Loop& loop, const Start& start, std::function<void(Command&)> on_over)
    : loop_(loop),
      id_(start.command),
      terminal_(start.terminal),
      on_over_(std::move(on_over)),
      streams_{{Fd(), Ring(start.keep_bytes, start.when_full == WhenFull::wait)},
               {Fd(), Ring(start.keep_bytes, start.when_full == WhenFull::wait)}} {}

Command::~Command() {
  loop_.cancel(timeout_);
  loop_.cancel(last_output_);
  for (Stream& stream : streams_) close_output(stream);
  if (stdin_fd_.is_open()) loop_.unwatch(stdin_fd_.get());
}

Problem Command::start(SpawnPlan plan, const Start& start, const Rights& own, Started& started) {
  Ends ends;
  const Problem made = terminal_ ? make_terminal(start, plan.identity, own, ends) : make_pipes(start.has_stdin, ends);
  if (made) return made;
  plan.in = ends.in.get();
  plan.out = terminal_ ? plan.in : ends.out.get();
  plan.err = terminal_ ? plan.in : ends.err.get();
  plan.is_terminal = terminal_;
  started_ns_ = wall_ns();
  const std::int64_t before = mono_ns();
  const Spawned spawned = spawn(plan);
  started.at_ns = started_ns_;
  started.spawn_ns = mono_ns() - before;
  started.pid = pid_ = spawned.pid;
  ends = Ends();
  if (spawned.problem) {
    set_unstarted(spawned.problem);
    return {};
  }
  stdin_open_ = terminal_ || start.has_stdin;
  for (Stream& stream : streams_) watch_output(stream);
  if (start.timeout_ms > 0) {
    const auto delay = static_cast<std::int64_t>(std::min<std::uint64_t>(start.timeout_ms, UINT32_MAX)) * kMilli;
    timeout_ = loop_.after(delay, [this] {
      timeout_ = 0;
      timed_out_ = true;
      kill_all();
    });
  }
  return {};
}

void Command::set_unstarted(const Problem& problem) {
  unstarted_code_ = code_of_unstarted(problem.error);
  Ring& ring = streams_[terminal_ ? 0 : 1].ring;
  const std::string line = problem.text + (terminal_ ? "\r\n" : "\n");
  ring.append(
      std::string_view(line).substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(ring.room(), line.size()))));
  for (Stream& stream : streams_) close_output(stream);
  stdin_fd_.reset();
  has_exited_ = true;
  ended_ns_ = wall_ns();
  // The answer to the start comes first.
  last_output_ = loop_.after(0, [this] {
    last_output_ = 0;
    set_over();
  });
}

void Command::on_exit(int status) {
  status_ = status;
  has_exited_ = true;
  ended_ns_ = wall_ns();
  loop_.cancel(timeout_);
  shut_stdin();
  if (is_at_eof()) return set_over();
  // What it wrote is in the pipes. The end of them may come later, or never, when others hold them.
  last_output_ = loop_.after(kLastOutputNs, [this] {
    last_output_ = 0;
    for (Stream& stream : streams_) {
      for (std::size_t read = 0; read < kLastBytesMax && read_output(stream); read += kPieceBytes) {
      }
    }
    set_over();
  });
}

void Command::set_over() {
  if (is_over_) return;
  is_over_ = true;
  loop_.cancel(last_output_);
  wake_readers();
  on_over_(*this);
}

bool Command::is_drained() const { return is_over_ && !streams_[0].is_paused && !streams_[1].is_paused; }

Problem Command::signal(int number, bool whole_group) const {
  if (!is_running()) return {ESRCH, "command " + id_ + " has ended"};
  if (number < 1 || number > 64) return {EINVAL, "signal " + std::to_string(number) + ": signals are 1 to 64"};
  if (::kill(whole_group ? -pid_ : pid_, number) != 0) return problem(errno, "kill command " + id_);
  return {};
}

void Command::kill_all() const {
  if (is_running()) ::kill(-pid_, SIGKILL);
}

Exited Command::exited() const {
  Exited exited;
  exited.command = id_;
  if (unstarted_code_ != 0) {
    exited.code = unstarted_code_;
  } else if (has_exited_ && WIFSIGNALED(status_)) {
    exited.signal = WTERMSIG(status_);
    exited.code = 128 + exited.signal;
  } else if (has_exited_) {
    exited.code = WEXITSTATUS(status_);
  }
  exited.timed_out = timed_out_;
  exited.at_ns = ended_ns_;
  return exited;
}

CommandState Command::state() const {
  CommandState state;
  state.command = id_;
  state.pid = pid_;
  state.started_ns = started_ns_;
  state.terminal = terminal_;
  const Exited end = exited();
  state.state = {is_over_,  is_over_ ? end.code : 0, is_over_ ? end.signal : 0, end.timed_out,
                 end.at_ns, streams_[0].ring.end(),  streams_[1].ring.end()};
  state.stdout_begin = streams_[0].ring.begin();
  state.stderr_begin = streams_[1].ring.begin();
  return state;
}

void Command::remove_reader(const Channel& channel) {
  readers_.erase(std::remove(readers_.begin(), readers_.end(), &channel), readers_.end());
}

void Command::wake_readers() {
  for (Channel* reader : readers_) reader->wake();
}

}  // namespace sandboxd::agent
