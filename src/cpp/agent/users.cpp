#include "agent/users.hpp"

#include <algorithm>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace sandboxd::agent {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr std::size_t kNameBytesMax = 256;  // what is longer is no name

bool has(std::uint64_t capabilities, unsigned number) { return (capabilities >> number & 1U) != 0; }

template <class T>
const T* find_named(const std::vector<T>& items, std::string_view name) {
  const auto found = std::find_if(items.begin(), items.end(), [&](const T& item) { return item.name == name; });
  return found == items.end() ? nullptr : &*found;
}

bool is_same_set(std::vector<std::uint32_t> a, std::vector<std::uint32_t> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

}  // namespace

std::vector<User> parse_users(std::string_view text) {
  std::vector<User> users;
  each_line(text, [&](std::string_view line) {
    const std::string_view name = cut(line, ':');
    cut(line, ':');
    const auto uid = parse_number(cut(line, ':'));
    const auto gid = parse_number(cut(line, ':'));
    cut(line, ':');
    if (!name.empty() && name.size() <= kNameBytesMax && uid && gid)
      users.push_back({std::string(name), *uid, *gid, std::string(cut(line, ':'))});
  });
  return users;
}

std::vector<Group> parse_groups(std::string_view text) {
  std::vector<Group> groups;
  each_line(text, [&](std::string_view line) {
    const std::string_view name = cut(line, ':');
    cut(line, ':');
    const auto gid = parse_number(cut(line, ':'));
    if (name.empty() || name.size() > kNameBytesMax || !gid) return;
    Group group{std::string(name), *gid, {}};
    while (!line.empty()) group.members.emplace_back(cut(line, ','));
    groups.push_back(std::move(group));
  });
  return groups;
}

Names::Names()
    : Names(parse_users(read_text("/etc/passwd", kFileBytesMax).value_or("")),
            parse_groups(read_text("/etc/group", kFileBytesMax).value_or(""))) {}
Names::Names(std::vector<User> users, std::vector<Group> groups)
    : users_(std::move(users)), groups_(std::move(groups)) {}

std::string Names::user(std::uint32_t uid) const {
  for (const User& user : users_) {
    if (user.uid == uid) return user.name;
  }
  return {};
}

std::string Names::group(std::uint32_t gid) const {
  for (const Group& group : groups_) {
    if (group.gid == gid) return group.name;
  }
  return {};
}

std::string Names::home(std::uint32_t uid) const {
  for (const User& user : users_) {
    if (user.uid == uid && !user.home.empty()) return user.home;
  }
  return "/";
}

Problem Names::resolve(std::string_view text, const Identity& usual, Identity& found) const {
  found = usual;
  if (text.empty()) return {};
  const bool has_group = text.find(':') != std::string_view::npos;
  const std::string_view name = cut(text, ':');
  const User* user = find_named(users_, name);
  const auto uid = parse_number(name);
  if (user == nullptr && uid) {
    const auto same = std::find_if(users_.begin(), users_.end(), [&](const User& one) { return one.uid == *uid; });
    if (same != users_.end()) user = &*same;
  }
  if (user == nullptr && !uid) return {EINVAL, "user " + std::string(name) + " is not in the image's /etc/passwd"};
  found.uid = user != nullptr ? user->uid : *uid;
  found.gid = user != nullptr ? user->gid : 0;
  found.groups.clear();
  if (has_group) {
    const Group* group = find_named(groups_, text);
    const auto gid = parse_number(text);
    if (group == nullptr && !gid) return {EINVAL, "group " + std::string(text) + " is not in the image's /etc/group"};
    found.gid = group != nullptr ? group->gid : *gid;
  } else if (user != nullptr) {
    for (const Group& group : groups_) {
      const auto member = std::find(group.members.begin(), group.members.end(), user->name);
      if (member != group.members.end() && found.groups.size() < 65536) found.groups.push_back(group.gid);
    }
  }
  return {};
}

Rights own_rights() {
  Rights own;
  own.uid = ::geteuid();
  own.gid = ::getegid();
  const int count = ::getgroups(0, nullptr);
  own.groups.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (count > 0) ::getgroups(count, own.groups.data());
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) == 0) {
    own.capabilities = std::uint64_t{data[1].permitted} << 32U | data[0].permitted;
  }
  for (int number = 0; number < 64; ++number) {
    const int is_there = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
    if (is_there < 0) break;  // past the last
    if (is_there == 1) own.bounding |= std::uint64_t{1} << static_cast<unsigned>(number);
  }
  return own;
}

Problem may_become(const Rights& own, const Identity& identity) {
  const std::string who = "uid " + std::to_string(identity.uid) + ", gid " + std::to_string(identity.gid);
  if (identity.uid != own.uid && !has(own.capabilities, CAP_SETUID)) {
    return {EPERM, "the sandbox's agent may not become " + who + ": it lacks CAP_SETUID"};
  }
  const bool is_other_group = identity.gid != own.gid || !is_same_set(identity.groups, own.groups);
  if (is_other_group && !has(own.capabilities, CAP_SETGID)) {
    return {EPERM, "the sandbox's agent may not become " + who + ": it lacks CAP_SETGID"};
  }
  return {};
}

bool set_capabilities(std::uint64_t effective, std::uint64_t permitted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  for (unsigned half = 0; half < 2; ++half) {
    data[half].effective = static_cast<std::uint32_t>(effective >> (32 * half));
    data[half].permitted = static_cast<std::uint32_t>(permitted >> (32 * half));
  }
  return ::syscall(SYS_capset, &header, data) == 0;
}

ActAs::ActAs(const Rights& own, const Identity& identity) : own_(own), problem_(may_become(own, identity)) {
  if (!problem_) take(identity);
}

// The system calls themselves: the C library's functions speak for all threads, which there are none of.
void ActAs::take(const Identity& identity) {
  if (!is_same_set(identity.groups, own_.groups) &&
      ::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) != 0) {
    problem_ = agent::problem(errno, "setgroups");
  } else if (identity.gid != own_.gid && ::syscall(SYS_setresgid, -1, identity.gid, -1) != 0) {
    problem_ = agent::problem(errno, "setresgid");
  } else if (identity.uid != own_.uid && ::syscall(SYS_setresuid, -1, identity.uid, -1) != 0) {
    problem_ = agent::problem(errno, "setresuid");
  } else {
    // Root's accesses too are only those of the container's root. Another user has lost them with the uid.
    const std::uint64_t kept = identity.uid == 0 ? own_.capabilities & identity.capabilities : 0;
    if (own_.capabilities != 0 && !set_capabilities(kept, own_.capabilities)) {
      problem_ = agent::problem(errno, "capset");
    }
  }
}

ActAs::~ActAs() {
  // In this order: the first needs no capability (the saved uid is still ours), the others need those that it brings.
  ::syscall(SYS_setresuid, -1, own_.uid, -1);
  set_capabilities(own_.capabilities, own_.capabilities);
  ::syscall(SYS_setresgid, -1, own_.gid, -1);
  ::syscall(SYS_setgroups, own_.groups.size(), own_.groups.data());
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // a change of uid may set it
}

}  // namespace sandboxd::agent
