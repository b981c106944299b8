#include "agent/files/unpack.hpp"

#include <fcntl.h>

namespace sandboxd::agent {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
constexpr std::size_t kFoldersMax = 64 * 1024;  // further ones get their mode and no time at once

void time_of(std::int64_t ns, timespec (&times)[2]) {
  const std::int64_t whole = ns / 1'000'000'000 - (ns % 1'000'000'000 < 0 ? 1 : 0);
  times[0].tv_sec = 0;
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = static_cast<time_t>(whole);
  times[1].tv_nsec = static_cast<long>(ns - whole * 1'000'000'000);
}

}  // namespace

void UnpackCall::open(const Acting& acting, const Write& write, Channel& channel) {
  auto call = std::make_unique<UnpackCall>(acting, channel);
  const ActAs as(*acting.own, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  if (write.parents) {
    if (const Problem failed = make_folders(acting.path, 0755)) return channel.fail(failed);
  }
  call->base_.reset(::open(acting.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  if (!call->base_.is_open()) return channel.fail(problem(errno, "open " + acting.asked));
  channel.set_call(std::move(call));
}

void UnpackCall::on_data(std::string_view bytes) {
  const ActAs as(*acting_.own, acting_.identity);
  const Problem failed = as.problem() ? as.problem() : reader_.feed(bytes, *this);
  if (failed) return channel_.fail(failed);
  channel_.consumed(bytes.size());
}

void UnpackCall::on_eof() {
  if (!reader_.is_complete()) return channel_.fail({EINVAL, "tar archive: it ends in the middle"});
  const ActAs as(*acting_.own, acting_.identity);
  if (as.problem()) return channel_.fail(as.problem());
  finish_folders();
  channel_.reply(Empty{});
}

Problem UnpackCall::reach(const std::vector<std::string>& names, bool makes, Fd& folder) const {
  folder.reset(::openat(base_.get(), ".", kFolderFlags));
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    const char* const name = names[i].c_str();
    if (makes && ::mkdirat(folder.get(), name, 0755) == 0) set_owner(folder.get(), names[i]);
    Fd next(::openat(folder.get(), name, kFolderFlags));
    // A symbolic link on the way: ELOOP, or ENOTDIR.
    if (!next.is_open()) return problem(errno, "tar archive: " + names[i]);
    folder = std::move(next);
  }
  return folder.is_open() ? Problem{} : problem(errno, "open " + acting_.asked);
}

// Root gives things to whom the archive says; everybody else has them.
void UnpackCall::set_owner(int folder, const std::string& name) const {
  if (acting_.identity.uid != 0) return;
  static_cast<void>(::fchownat(folder, name.c_str(), entry_.uid, entry_.gid, AT_SYMLINK_NOFOLLOW));
}

Problem UnpackCall::begin(const TarEntry& entry) {
  std::vector<std::string> names;
  if (Problem wrong = split_inside(entry.path, names)) return wrong;
  entry_ = entry;
  file_.reset();
  if (names.empty()) {
    if (entry.kind == TarEntry::Kind::directory) return {};  // the target itself: left as it is
    return {EINVAL, "tar archive: an entry without a name"};
  }
  Fd folder;
  if (Problem failed = reach(names, true, folder)) return failed;
  return make(entry, folder.get(), names);
}

Problem UnpackCall::make(const TarEntry& entry, int folder, const std::vector<std::string>& names) {
  const std::string& name = names.back();
  const std::string told = "unpack " + entry.path;
  if (entry.kind == TarEntry::Kind::directory) return make_folder(entry, folder, names);
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) return problem(errno, told);
  timespec times[2]{};
  time_of(entry.modified_ns, times);
  switch (entry.kind) {
    case TarEntry::Kind::file:
      file_.reset(::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
      if (!file_.is_open()) return problem(errno, told);
      set_owner(folder, name);
      return {};
    case TarEntry::Kind::hard_link: return make_hard_link(entry, folder, name);
    case TarEntry::Kind::symbolic_link:
      if (::symlinkat(entry.target.c_str(), folder, name.c_str()) != 0) return problem(errno, told);
      break;
    case TarEntry::Kind::fifo:
      if (::mkfifoat(folder, name.c_str(), entry.mode & 0777U) != 0) return problem(errno, told);
      break;
    default: return {EPERM, told + ": devices are not made"};
  }
  set_owner(folder, name);
  static_cast<void>(::utimensat(folder, name.c_str(), times, AT_SYMLINK_NOFOLLOW));
  return {};
}

Problem UnpackCall::make_folder(const TarEntry& entry, int folder, const std::vector<std::string>& names) {
  const char* const name = names.back().c_str();
  struct stat status{};
  if (::mkdirat(folder, name, 0700) != 0) {
    const int error = errno;
    const bool is_there = ::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
    if (!is_there) return problem(error, "unpack " + entry.path);
  }
  set_owner(folder, names.back());
  if (folders_.size() < kFoldersMax) {
    folders_.push_back({names, entry.mode, entry.modified_ns});
  } else {
    static_cast<void>(::fchmodat(folder, name, entry.mode & 07777U, 0));
  }
  return {};
}

// To what is below the directory too, and reached without symbolic links.
Problem UnpackCall::make_hard_link(const TarEntry& entry, int folder, const std::string& name) const {
  std::vector<std::string> names;
  if (Problem wrong = split_inside(entry.target, names)) return wrong;
  if (names.empty()) return {EINVAL, "tar archive: a link to nothing"};
  Fd from;
  if (Problem failed = reach(names, false, from)) return failed;
  if (::linkat(from.get(), names.back().c_str(), folder, name.c_str(), 0) == 0) return {};
  return problem(errno, "unpack " + entry.path);
}

Problem UnpackCall::data(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return problem(n < 0 ? errno : ENOSPC, "unpack " + entry_.path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Problem UnpackCall::end() {
  timespec times[2]{};
  time_of(entry_.modified_ns, times);
  const bool is_done = ::fchmod(file_.get(), entry_.mode & 07777U) == 0;
  const int error = errno;
  static_cast<void>(::futimens(file_.get(), times));
  file_.reset();
  return is_done ? Problem{} : problem(error, "chmod " + entry_.path);
}

// Those inside first: one that loses its write permission must have all its entries by then.
void UnpackCall::finish_folders() const {
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    Fd above;
    if (reach(folder->names, false, above)) continue;
    const Fd own(::openat(above.get(), folder->names.back().c_str(), kFolderFlags));
    if (!own.is_open()) continue;
    timespec times[2]{};
    time_of(folder->modified_ns, times);
    static_cast<void>(::fchmod(own.get(), folder->mode & 07777U));
    static_cast<void>(::futimens(own.get(), times));
  }
}

}  // namespace sandboxd::agent
