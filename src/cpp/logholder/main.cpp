// sandboxd-logholder --run-dir DIR --data-dir DIR
//
// Goes into the background in a session of its own once it is ready to serve. Exit code of the foreground part: 0 when
// a holder serves the directory (this one, or one that was there), 1 with one line on standard error otherwise.
#include "logholder/holder.hpp"

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using sandboxd::Error;
using sandboxd::ErrorCode;

int fail(const std::string& text) {
  std::fprintf(stderr, "sandboxd-logholder: %s\n", text.c_str());
  return 1;
}

// One descriptor per FIFO: as many as the system allows.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void leave_terminal() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; null >= 0 && fd <= 2; ++fd) ::dup2(null, fd);
  if (null > 2) ::close(null);
}

// The background process: tells the foreground through `ready` what became of it, then serves.
int serve(const sandboxd::logholder::HolderOptions& options, int ready) {
  ::setsid();
  auto holder = sandboxd::logholder::Holder::make(options);
  const bool other_serves = !holder && holder.error().code() == ErrorCode::conflict;
  const std::string problem = holder || other_serves ? "" : holder.error().message();
  if (holder) leave_terminal();
  if (::write(ready, problem.c_str(), problem.size() + 1) < 0) return 1;
  ::close(ready);
  if (!holder) return other_serves ? 0 : 1;
  (*holder)->run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  sandboxd::logholder::HolderOptions options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--run-dir") options.run_dir = argv[i + 1];
    if (flag == "--data-dir") options.data_dir = argv[i + 1];
  }
  if (options.run_dir.empty() || options.data_dir.empty()) return fail("usage: --run-dir DIR --data-dir DIR");
  ::close_range(3, ~0U, 0);
  ::umask(0077);
  raise_file_limit();
  if (::chdir("/") != 0) return fail("cannot enter /");

  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return fail("cannot make a pipe");
  const pid_t child = ::fork();
  if (child < 0) return fail("cannot fork");
  if (child == 0) {
    ::close(ready[0]);
    return serve(options, ready[1]);
  }
  ::close(ready[1]);
  char problem[1024] = "";
  const ssize_t count = ::read(ready[0], problem, sizeof problem - 1);
  if (count <= 0) return fail("ended before it was ready");
  return problem[0] == '\0' ? 0 : fail(problem);
}
