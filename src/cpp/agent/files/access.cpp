#include "agent/files/access.hpp"

#include <fcntl.h>
#include <sys/random.h>

namespace sandboxd::agent {

Problem place(std::string_view asked, std::string_view cwd, std::string& path) {
  if (asked.empty()) return {EINVAL, "a path is wanted"};
  if (asked.find('\0') != std::string_view::npos) return {EINVAL, "a path holds no NUL"};
  path = asked.front() == '/' ? std::string(asked) : join(cwd.empty() ? "/" : std::string(cwd), asked);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return {};
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

FileStatus describe(const struct stat& status, std::string path, const std::string& real, const Names& names) {
  FileStatus found;
  found.path = std::move(path);
  found.mode = status.st_mode;
  found.size = static_cast<std::uint64_t>(status.st_size);
  found.uid = status.st_uid;
  found.gid = status.st_gid;
  found.modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  found.links = status.st_nlink;
  if (S_ISLNK(status.st_mode)) {
    char target[4096];
    const ssize_t size = ::readlink(real.c_str(), target, sizeof target);
    if (size > 0) found.target.assign(target, static_cast<std::size_t>(size));
  }
  found.owner = names.user(status.st_uid);
  found.group = names.group(status.st_gid);
  return found;
}

Problem look(const std::string& real, std::string asked, bool follow, const Names& names, FileStatus& found) {
  struct stat status{};
  const int done = follow ? ::stat(real.c_str(), &status) : ::lstat(real.c_str(), &status);
  if (done != 0) return problem(errno, "stat " + asked);
  found = describe(status, std::move(asked), real, names);
  return {};
}

Problem make_folders(const std::string& folder, mode_t mode) {
  struct stat status{};
  if (::stat(folder.c_str(), &status) == 0) {
    return S_ISDIR(status.st_mode) ? Problem{} : problem(ENOTDIR, "mkdir " + folder);
  }
  // From the first that is missing on; what is there may be unreadable, which mkdir does not mind.
  for (std::size_t slash = folder.find('/', 1);; slash = folder.find('/', slash + 1)) {
    const std::string part = folder.substr(0, slash);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) {
      const int error = errno;
      if (::stat(part.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return problem(error, "mkdir " + part);
    }
    if (slash == std::string::npos) return {};
  }
}

Problem not_regular(const std::string& path, mode_t mode) {
  if (S_ISDIR(mode)) return problem(EISDIR, "open " + path);
  return {EINVAL, "open " + path + ": not a regular file"};
}

Problem open_regular(const std::string& path, int flags, Fd& file, struct stat& status) {
  if (::stat(path.c_str(), &status) != 0) return problem(errno, "open " + path);
  if (!S_ISREG(status.st_mode)) return not_regular(path, status.st_mode);
  file.reset(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return problem(errno, "open " + path);
  if (!S_ISREG(status.st_mode)) return not_regular(path, status.st_mode);
  return {};
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) number = static_cast<std::uint64_t>(mono_ns());
  return number;
}

std::string random_name() {
  std::string name;
  for (std::uint64_t rest = random_number(), i = 0; i < 16; ++i, rest >>= 4U)
    name.push_back("0123456789abcdef"[rest & 15U]);
  return name;
}

}  // namespace sandboxd::agent
