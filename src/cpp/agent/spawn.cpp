#include "agent/spawn.hpp"

#include "agent/users.hpp"

#include <algorithm>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace sandboxd::agent {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Everything the child needs, made before: it shares this memory with its parent, who waits, and must not allocate.
struct Child {
  const SpawnPlan* plan = nullptr;
  const Rights* own = nullptr;
  std::vector<char*> argv;
  std::vector<char*> env;
  std::vector<std::string> programs;  // where to look, in this order
  const char* failed_at = nullptr;
  int error = 0;
};

[[noreturn]] void give_up(Child& child, const char* step) {
  child.error = errno;
  child.failed_at = step;
  ::_exit(127);
}

void drop_bounding_set(Child& child) {
  const Identity& identity = child.plan->identity;
  const std::uint64_t unwanted = child.own->bounding & ~identity.capabilities;
  for (int number = 0; number < 64; ++number) {
    if ((unwanted >> number & 1U) == 0) continue;
    // Who may not change the set passes on no more than it was given; but root's programs get what is in it.
    if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0 && identity.uid == 0) give_up(child, "drop capabilities");
  }
}

void become(Child& child) {
  const Rights& own = *child.own;
  const Identity& identity = child.plan->identity;
  drop_bounding_set(child);
  if (identity.groups != own.groups && ::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) != 0) {
    give_up(child, "setgroups");
  }
  if (::syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) != 0) give_up(child, "setresgid");
  if (::syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) != 0) give_up(child, "setresuid");
  const std::uint64_t kept = identity.uid == 0 ? own.capabilities & identity.capabilities : 0;
  if (own.capabilities != 0 && !set_capabilities(kept, kept)) give_up(child, "capset");
  if (child.plan->no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(child, "no_new_privs");
}

void set_descriptors(Child& child) {
  const SpawnPlan& plan = *child.plan;
  ::setsid();
  if (plan.in != 0 && ::dup2(plan.in, 0) < 0) give_up(child, "dup2");
  if (plan.out != 1 && ::dup2(plan.out, 1) < 0) give_up(child, "dup2");
  if (plan.err != 2 && ::dup2(plan.err, 2) < 0) give_up(child, "dup2");
  if (::syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
    for (int fd = 3; fd < 4096; ++fd) ::close(fd);
  }
  if (plan.is_terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) give_up(child, "controlling terminal");
}

// The first program that can be run; a refusal on the way counts more than what was not there.
void execute(Child& child) {
  int refused = 0;
  for (const std::string& program : child.programs) {
    ::execve(program.c_str(), child.argv.data(), child.env.data());
    if (errno == EACCES) refused = errno;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) break;
  }
  if (refused != 0 && (errno == ENOENT || errno == ENOTDIR)) errno = refused;
}

int run_child(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  set_descriptors(child);
  become(child);
  if (::chdir(child.plan->cwd.c_str()) != 0) give_up(child, "chdir");
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  execute(child);
  give_up(child, "exec");
}

std::vector<std::string> programs_of(const SpawnPlan& plan) {
  const std::string& name = plan.argv.front();
  if (name.find('/') != std::string::npos || name.empty()) return {name};
  std::string_view path = find_env(plan.env, "PATH").value_or(kDefaultPath);
  std::vector<std::string> programs;
  while (!path.empty()) {
    const std::string_view folder = cut(path, ':');
    programs.push_back((folder.empty() ? "." : std::string(folder)) + "/" + name);
  }
  if (programs.empty()) programs.push_back(name);
  return programs;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

Problem describe(const Child& child) {
  const std::string step = child.failed_at;
  if (step == "exec") return problem(child.error, "exec " + child.plan->argv.front());
  if (step == "chdir") return problem(child.error, "chdir " + child.plan->cwd);
  return problem(child.error, step);
}

}  // namespace

Spawned spawn(const SpawnPlan& plan) {
  alignas(16) static char stack[64 * 1024];
  static const Rights own = own_rights();
  Child child;
  child.plan = &plan;
  child.argv = pointers(plan.argv);
  child.env = pointers(plan.env);
  child.programs = programs_of(plan);
  child.own = &own;
  const pid_t pid = ::clone(run_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  if (pid < 0) return {0, problem(errno, "fork")};
  if (child.error == 0) return {pid, {}};
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return {0, describe(child)};
}

std::optional<std::string_view> find_env(const std::vector<std::string>& env, std::string_view name) {
  std::optional<std::string_view> found;
  for (const std::string_view one : env) {
    if (one.size() > name.size() && one[name.size()] == '=' && one.substr(0, name.size()) == name) {
      found = one.substr(name.size() + 1);
    }
  }
  return found;
}

std::vector<std::string> merge_env(std::vector<std::string> env, const std::vector<std::string>& over) {
  for (const std::string& one : over) {
    const std::string name = one.substr(0, one.find('=') + 1);
    const auto same = [&](const std::string& other) {
      return !name.empty() && other.compare(0, name.size(), name) == 0;
    };
    const auto found = std::find_if(env.begin(), env.end(), same);
    if (found == env.end()) {
      env.push_back(one);
    } else {
      *found = one;
    }
  }
  return env;
}

}  // namespace sandboxd::agent
