#include "agent/init.hpp"

#include "agent/files/access.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

namespace sandboxd::agent {
namespace {

constexpr std::int64_t kMilli = 1'000'000;
constexpr std::int64_t kLastWordsNs = 100 * kMilli;      // for the node to take what it is told at the end
constexpr std::int64_t kLastOutputNs = 10'000 * kMilli;  // for it to fetch what commands wrote, also after a restart
constexpr std::int64_t kUnstartedNs = 5000 * kMilli;     // for it to hear why nothing runs
constexpr std::int64_t kHoldGraceNs = 1000 * kMilli;     // between SIGTERM and SIGKILL

// Signals of faults are for the program that makes them: blocked, the kernel would kill it all the same.
Fd take_signals() {
  sigset_t all;
  ::sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) ::sigdelset(&all, fault);
  // The dispositions that the children inherit are the default ones.
  for (int number = 1; number <= 64; ++number) ::signal(number, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  return Fd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
}

// The container's output is the main process's own: it may end it.
void let_go_of_output() {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.is_open()) return;
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null.get(), fd);
}

}  // namespace

Init::Init(Loop& loop, const Setup& setup, const std::string& directory)
    : loop_(loop),
      setup_(setup),
      own_(own_rights()),
      commands_(loop, setup, own_),
      requests_(commands_, setup, own_, loop),
      link_(loop, requests_, join(directory, kSocketName), [this] { return hello(); }),
      signals_(take_signals()),
      life_(random_number()),
      is_first_(::getpid() == 1) {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (!is_first_) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::umask(022);
}

int Init::run() {
  loop_.watch(signals_.get(), EPOLLIN, [this](std::uint32_t) { on_signals(); });
  loop_.set_between([this] { return between(); });
  commands_.set_on_exited([this](const Exited& exited) { link_.send_event(Type::exited, exited); });
  if (!setup_.argv.empty()) start_main();
  link_.connect();
  return loop_.run();
}

void Init::start_main() {
  SpawnPlan plan = plan_of(setup_, setup_.identity, Names().home(setup_.identity.uid));
  plan.is_terminal = ::isatty(0) == 1;
  const Spawned spawned = spawn(plan);
  if (spawned.problem) return on_unstarted(spawned.problem);
  main_ = MainState::running;
  main_pid_ = spawned.pid;
  let_go_of_output();
}

void Init::on_unstarted(const Problem& problem) {
  main_ = MainState::unstarted;
  main_problem_ = problem;
  const std::string line = problem.text + "\n";
  static_cast<void>(!::write(2, line.data(), line.size()));
  exit_code_ = code_of_unstarted(problem.error);
  end_by_ns_ = mono_ns() + kUnstartedNs;
  loop_.after(kUnstartedNs, [this] { finish(); });
}

bool Init::between() {
  const bool has_more = link_.step();
  if (main_ == MainState::unstarted && link_.is_connected() && link_.is_flushed() && !is_ending_) end(exit_code_);
  if (is_ending_ && !has_more && link_.is_flushed() && commands_.are_over() && is_output_taken()) finish();
  return has_more;
}

// The node forgets a command once it has kept what that wrote.
bool Init::is_output_taken() const { return commands_.is_empty(); }

void Init::on_signals() {
  signalfd_siginfo taken[8];
  while (true) {
    const ssize_t size = ::read(signals_.get(), taken, sizeof taken);
    if (size <= 0) return;
    for (std::size_t i = 0; i < static_cast<std::size_t>(size) / sizeof taken[0]; ++i) {
      on_signal(static_cast<int>(taken[i].ssi_signo));
    }
  }
}

void Init::on_signal(int number) {
  if (number == SIGCHLD) return reap();
  if (number == SIGPIPE) return;
  if (main_pid_ > 0) {
    ::kill(main_pid_, number);
  } else if (number == SIGTERM || number == SIGINT || number == SIGQUIT) {
    if (main_ == MainState::unstarted) return finish();
    if (main_ == MainState::none) stop_holding();
  }
}

void Init::reap() {
  while (true) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) break;
    if (pid == main_pid_) {
      on_main_exit(status);
    } else {
      commands_.on_exit(pid, status);
    }
  }
  if (is_stopping_) check_holding();
}

void Init::on_main_exit(int status) {
  main_pid_ = 0;
  main_ = MainState::exited;
  Exited exited;
  exited.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  exited.code = WIFSIGNALED(status) ? 128 + exited.signal : WEXITSTATUS(status);
  exited.at_ns = wall_ns();
  link_.send_event(Type::exited, exited);
  end(exited.code);
}

void Init::stop_holding() {
  if (is_stopping_) return kill_others(SIGTERM);
  is_stopping_ = true;
  link_.send_event(Type::exited, Exited());  // what ends from now on does so because of this
  kill_others(SIGTERM);
  loop_.after(kHoldGraceNs, [this] {
    kill_others(SIGKILL);
    end(0);
  });
  check_holding();
}

// Over when there is nobody left.
void Init::check_holding() {
  siginfo_t any{};
  if (::waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD) end(0);
}

void Init::kill_others(int number) const {
  if (is_first_) {
    ::kill(-1, number);
  } else {
    commands_.signal_all(number);
  }
}

void Init::end(int code) {
  if (is_ending_) return;
  is_ending_ = true;
  exit_code_ = code;
  kill_others(SIGKILL);
  loop_.after(is_output_taken() ? kLastWordsNs : kLastOutputNs, [this] { finish(); });
}

void Init::finish() {
  kill_others(SIGKILL);
  loop_.stop(exit_code_);
}

Hello Init::hello() const {
  Hello hello;
  hello.life = life_;
  hello.main = main_;
  hello.main_errno = main_problem_.error;
  hello.main_error = main_problem_.text;
  return hello;
}

}  // namespace sandboxd::agent
