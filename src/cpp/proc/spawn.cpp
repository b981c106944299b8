#include "proc/spawn.hpp"

#include <cerrno>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxd::proc {
namespace {

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  Pipe made{Fd(ends[0]), Fd(ends[1])};
  // Only our end: whether the child's blocks is its own affair.
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return errno_error(errno, "pipe");
  return made;
}

// A file in memory, at its beginning.
Result<Fd> stdin_file(const std::string& text) {
  Fd file(::memfd_create("stdin", MFD_CLOEXEC));
  if (file.get() < 0) return errno_error(errno, "memfd_create");
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = ::write(file.get(), text.data() + written, text.size() - written);
    if (n < 0 && errno != EINTR) return errno_error(errno, "write to a memory file");
    if (n > 0) written += static_cast<std::size_t>(n);
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return errno_error(errno, "lseek");
  return file;
}

// posix_spawn's two option objects, set up and torn down together.
class SpawnOptions {
 public:
  SpawnOptions() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;
  ~SpawnOptions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  void set_streams(int in, int out, int err) {
    ::posix_spawn_file_actions_adddup2(&actions_, in, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO);
    // Libraries of ours may own descriptors without CLOEXEC.
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
  }

  void set_signals_and_group() {
    sigset_t all;
    sigset_t none;
    ::sigfillset(&all);
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }

  [[nodiscard]] int start(pid_t& pid, const std::vector<char*>& argv, const std::vector<char*>& env) const {
    return ::posix_spawn(&pid, argv[0], &actions_, &attributes_, argv.data(), env.data());
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Child::~Child() {
  if (pid_ == 0) return;
  kill_group();
  static_cast<void>(reap());
}

void Child::kill_group() const {
  if (pid_ != 0) ::kill(-pid_, SIGKILL);
}

int Child::reap() {
  if (pid_ == 0) return 0;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Result<std::shared_ptr<Child>> spawn(const ports::ProcessRequest& request) {
  if (request.argv.empty() || !request.argv[0].starts_with('/'))
    return Error(ErrorCode::internal, "a child's executable must be an absolute path");
  SBX_TRY(in, stdin_file(request.stdin_text));
  SBX_TRY(out, make_pipe());
  SBX_TRY(err, make_pipe());

  std::vector<std::string> argv = request.argv;
  std::vector<std::string> env;
  for (const auto& [key, value] : request.env) env.push_back(key + "=" + value);
  SpawnOptions options;
  options.set_streams(in.get(), out.write_end.get(), err.write_end.get());
  options.set_signals_and_group();
  pid_t pid = 0;
  const int failure = options.start(pid, pointers(argv), pointers(env));
  if (failure != 0) return errno_error(failure, "start " + argv[0]);

  // Our child is not reaped before we say so, hence the pid cannot be another's.
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int pidfd_failure = pidfd.get() < 0 ? errno : 0;
  auto child = std::make_shared<Child>(pid, std::move(pidfd), std::move(out.read_end), std::move(err.read_end));
  if (pidfd_failure != 0) return errno_error(pidfd_failure, "pidfd_open");
  return child;
}

}  // namespace sandboxd::proc
