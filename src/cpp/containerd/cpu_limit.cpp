#include "containerd/cpu_limit.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

namespace sandboxd::containerd {

namespace {

// A control group's file is there or not; it is never made.
Result<bool> write_existing(const std::string& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0 && (errno == ENOENT || errno == ENOTDIR)) return false;
  if (file < 0) return errno_error(errno, "open " + path);
  const ssize_t written = write(file, text.data(), text.size());
  const int failure = written < 0 ? errno : 0;
  close(file);
  // ENODEV: the group went away between the two calls.
  if (failure != 0 && failure != ENODEV) return errno_error(failure, "write \"" + std::string(text) + "\" to " + path);
  return true;
}

}  // namespace

std::int64_t cpu_quota_us(std::int64_t milli) { return std::max<std::int64_t>(milli * (kCpuPeriodUs / 1000), 1000); }

Result<void> write_cpu_limit(const std::string& group, std::int64_t milli, const std::string& hierarchies) {
  const std::string quota = std::to_string(cpu_quota_us(milli));
  SBX_TRY(unified, write_existing(hierarchies + group + "/cpu.max", quota + " " + std::to_string(kCpuPeriodUs)));
  if (unified) return {};
  for (const char* controller : {"/cpu", "/cpu,cpuacct"}) {
    SBX_TRY(done, write_existing(hierarchies + controller + group + "/cpu.cfs_quota_us", quota));
    if (done) return {};
  }
  return {};
}

}  // namespace sandboxd::containerd
