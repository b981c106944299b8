#include "agent/files/remove.hpp"

#include <dirent.h>
#include <fcntl.h>

namespace sandboxd::agent {
namespace {

constexpr int kEntriesOfSlice = 128;
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

// Only some names at a time: what has been removed is not read again.
Problem read_names(int folder, std::vector<std::string>& names) {
  const int copy = ::openat(folder, ".", kFolderFlags);
  DIR* const stream = copy < 0 ? nullptr : ::fdopendir(copy);
  if (stream == nullptr) {
    const int error = errno;
    if (copy >= 0) ::close(copy);
    return problem(error, "read a directory");
  }
  while (names.size() < 1024) {
    const dirent* const entry = ::readdir(stream);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(stream);
  return {};
}

}  // namespace

void RemoveCall::open(const Acting& acting, Channel& channel) {
  const ActAs as(*acting.own, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  auto call = std::make_unique<RemoveCall>(acting);
  call->above_.reset(::open(folder_of(acting.path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  if (!call->above_.is_open()) return channel.fail(problem(errno, "remove " + acting.asked));
  const std::string name = name_of(acting.path);
  struct stat status{};
  if (name.empty() || name == "." || name == "..") {
    return channel.fail({EINVAL, "remove " + acting.asked + ": not the root, nor . or .."});
  }
  if (::fstatat(call->above_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return channel.fail(problem(errno, "remove " + acting.asked));
  }
  if (!S_ISDIR(status.st_mode)) {
    if (::unlinkat(call->above_.get(), name.c_str(), 0) != 0) {
      return channel.fail(problem(errno, "remove " + acting.asked));
    }
    return channel.reply(Empty{});
  }
  Fd folder(::openat(call->above_.get(), name.c_str(), kFolderFlags));
  if (!folder.is_open()) return channel.fail(problem(errno, "remove " + acting.asked));
  if (const Problem failed = call->enter(std::move(folder), name)) return channel.fail(failed);
  channel.set_call(std::move(call));
}

Problem RemoveCall::enter(Fd folder, const std::string& name) {
  struct stat status{};
  if (::fstat(folder.get(), &status) != 0) return problem(errno, "remove " + acting_.asked);
  levels_.push_back({name, status.st_dev, status.st_ino, {}});
  current_ = std::move(folder);
  return read_names(current_.get(), levels_.back().names);
}

// Up, to the very folder that it came from, whatever was moved meanwhile; then the empty one goes.
Problem RemoveCall::leave() {
  const std::string name = std::move(levels_.back().name);
  levels_.pop_back();
  if (levels_.empty()) {
    current_.reset();
    if (::unlinkat(above_.get(), name.c_str(), AT_REMOVEDIR) == 0) return {};
    return problem(errno, "remove " + acting_.asked);
  }
  Fd up(::openat(current_.get(), "..", kFolderFlags));
  struct stat status{};
  if (!up.is_open() || ::fstat(up.get(), &status) != 0) return problem(errno, "remove " + acting_.asked);
  if (status.st_dev != levels_.back().device || status.st_ino != levels_.back().inode) {
    return {EBUSY, "remove " + acting_.asked + ": it was moved meanwhile"};
  }
  current_ = std::move(up);
  if (::unlinkat(current_.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return problem(errno, "remove " + name + " in " + acting_.asked);
}

Problem RemoveCall::some(bool& has_more) {
  for (int i = 0; i < kEntriesOfSlice; ++i) {
    Level& level = levels_.back();
    if (level.names.empty()) {
      if (Problem failed = read_names(current_.get(), level.names)) return failed;
      if (!level.names.empty()) continue;
      if (Problem failed = leave()) return failed;
      has_more = !levels_.empty();
      if (!has_more) return {};
      continue;
    }
    const std::string name = std::move(level.names.back());
    level.names.pop_back();
    if (::unlinkat(current_.get(), name.c_str(), 0) == 0 || errno == ENOENT) continue;
    const int error = errno;
    Fd folder(::openat(current_.get(), name.c_str(), kFolderFlags));
    if (!folder.is_open()) return problem(error, "remove " + name + " in " + acting_.asked);
    if (Problem failed = enter(std::move(folder), name)) return failed;
  }
  return {};
}

bool RemoveCall::step(Channel& channel) {
  const ActAs as(*acting_.own, acting_.identity);
  bool has_more = true;
  const Problem failed = as.problem() ? as.problem() : some(has_more);
  if (failed) {
    channel.fail(failed);
    return false;
  }
  if (!has_more) channel.reply(Empty{});
  return has_more;
}

}  // namespace sandboxd::agent
