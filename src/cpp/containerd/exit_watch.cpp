#include "containerd/exit_watch.hpp"

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxd::containerd {

namespace {

// linux/pidfd.h of Linux 6.15; Debian 12's headers are older.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t ids[11];
  std::int32_t exit_code;
};
constexpr std::uint64_t kInfoExit = 1 << 3;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

}  // namespace

ExitWatch::~ExitWatch() {
  for (const auto& [key, descriptor] : descriptors_) close(descriptor);
}

void ExitWatch::watch(const std::string& key, std::uint32_t pid) {
  if (pid == 0 || descriptors_.contains(key)) return;
  const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (descriptor >= 0) descriptors_[key] = descriptor;
}

int ExitWatch::correct(const std::string& key, int reported) const {
  const auto found = descriptors_.find(key);
  if (reported != kUnknown || found == descriptors_.end()) return reported;
  PidfdInfo info{};
  info.mask = kInfoExit;
  if (ioctl(found->second, kGetInfo, &info) != 0 || (info.mask & kInfoExit) == 0) return reported;
  if (WIFSIGNALED(info.exit_code)) return 128 + WTERMSIG(info.exit_code);
  return WEXITSTATUS(info.exit_code);
}

void ExitWatch::forget(const std::string& key) {
  const auto found = descriptors_.find(key);
  if (found == descriptors_.end()) return;
  close(found->second);
  descriptors_.erase(found);
}

}  // namespace sandboxd::containerd
