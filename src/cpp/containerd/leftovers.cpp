#include "containerd/leftovers.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace sandboxd::containerd {

namespace fs = std::filesystem;

namespace {

constexpr int kKillPassesMax = 20;
constexpr std::chrono::milliseconds kKillPause{5};
constexpr std::chrono::milliseconds kDeathLimit{1000};

// "/state/x/key" must not be found in "/state/x/key2".
bool names_path(const std::string& text, const std::string& path) {
  for (std::size_t at = text.find(path); at != std::string::npos; at = text.find(path, at + 1)) {
    const std::size_t end = at + path.size();
    if (end == text.size() || text[end] == '/' || text[end] == '\0') return true;
  }
  return false;
}

// Octal escapes, as /proc/self/mountinfo writes spaces and backslashes.
std::string unescape(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<std::string> mounts_below(const std::string& directory) {
  std::vector<std::string> out;
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line;
  while (std::getline(mounts, line)) {
    std::size_t start = 0;
    for (int field = 0; field < 4 && start != std::string::npos; ++field) start = line.find(' ', start + 1);
    if (start == std::string::npos) continue;
    const std::string target = unescape(line.substr(start + 1, line.find(' ', start + 1) - start - 1));
    if (target == directory || target.starts_with(directory + "/")) out.push_back(target);
  }
  std::reverse(out.begin(), out.end());  // the youngest first
  return out;
}

// Until they are dead, or for as long as kDeathLimit: what ends gives back its memory and sockets for a while in which
// neither its command line nor its directory can be read.
void kill_and_wait(const std::vector<pid_t>& pids) {
  std::vector<pollfd> dying;
  for (const pid_t pid : pids) {
    const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (descriptor >= 0) dying.push_back({descriptor, POLLIN, 0});
    kill(pid, SIGKILL);
  }
  const auto give_up = std::chrono::steady_clock::now() + kDeathLimit;
  for (pollfd& one : dying) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(give_up - std::chrono::steady_clock::now());
    (void)poll(&one, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    close(one.fd);
  }
}

// Where a group of this path may be: below the one hierarchy of cgroup v2, or below each controller's.
std::vector<std::string> control_groups(const std::string& path) {
  std::vector<std::string> groups = {"/sys/fs/cgroup" + path};
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator("/sys/fs/cgroup", ec))
    groups.push_back(entry.path().string() + path);
  return groups;
}

// With all processes in them. Normally there are none: a runtime that was in a hurry, or slow, leaves its own.
void remove_groups(const std::vector<std::string>& groups) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (true) {
    bool busy = false;
    for (const std::string& group : groups) busy = (rmdir(group.c_str()) != 0 && errno == EBUSY) || busy;
    if (!busy || std::chrono::steady_clock::now() >= give_up) return;
    for (const std::string& group : groups) {
      // A workload under runc names no bundle; its control group knows it.
      std::ifstream members(group + "/cgroup.procs");
      for (pid_t pid = 0; members >> pid;) kill(pid, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

std::string read_if_readable(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();  // an iterator over the buffer would throw what this only notes
  return text.str();
}

std::vector<pid_t> processes_of(const std::string& bundle) {
  // The daemon renames a bundle before it deletes it: its shim's working directory is then "/.../.key (deleted)".
  const fs::path path(bundle);
  const std::string renamed = path.parent_path() / ("." + path.filename().string());
  std::vector<pid_t> out;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", ec)) {
    const std::string name = entry.path().filename();
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    const pid_t pid = static_cast<pid_t>(std::stol(name));
    if (pid == getpid()) continue;
    std::string cwd = fs::read_symlink(entry.path() / "cwd", ec).string();
    if (cwd.ends_with(" (deleted)")) cwd.resize(cwd.size() - 10);
    if (cwd == bundle || cwd == renamed || names_path(read_if_readable(entry.path() / "cmdline"), bundle))
      out.push_back(pid);
  }
  return out;
}

void kill_processes_of(const std::string& bundle) { kill_and_wait(processes_of(bundle)); }

void kill_all_processes_of(const std::string& bundle) {
  const auto give_up = std::chrono::steady_clock::now() + kDeathLimit;
  for (int pass = 0; pass < kKillPassesMax; ++pass) {
    const auto found = processes_of(bundle);
    if (found.empty() || std::chrono::steady_clock::now() >= give_up) return;
    kill_and_wait(found);
    std::this_thread::sleep_for(kKillPause);
  }
}

Result<void> remove_tree(const std::string& directory) {
  for (const std::string& target : mounts_below(directory)) umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  std::error_code ec;
  fs::remove_all(directory, ec);
  if (ec) return errno_error(ec.value(), "remove " + directory);
  return {};
}

void remove_runtime_state(const std::string& key, const std::string& cgroup_parent, bool thoroughly) {
  const std::string runsc = "/run/containerd/runsc/k8s.io";
  std::error_code ec;
  fs::remove(runsc + "/runsc-" + key + ".sock", ec);
  remove_groups(control_groups(cgroup_parent + "/" + key));
  if (!thoroughly) return;

  fs::remove_all("/run/containerd/runc/k8s.io/" + key, ec);
  for (const fs::directory_entry& entry : fs::directory_iterator(runsc, ec)) {
    // "<container>_sandbox:<sandbox>.state" and ".lock"
    if (entry.path().filename().string().starts_with(key + "_sandbox:")) fs::remove(entry.path(), ec);
  }
}

}  // namespace sandboxd::containerd
