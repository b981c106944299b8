#include "containerd/copy_tree.hpp"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace sandboxd::containerd {

namespace {

constexpr int kDepthMax = 128;
constexpr std::size_t kChunk = 1024 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Error failed(int number, const char* what, const std::string& name) {
  return errno_error(number, std::string(what) + " " + name, ErrorCode::storage_failed);
}

// The owner first: changing it clears set-user-id bits.
int copy_attributes(int to, const struct stat& info) {
  const timespec times[2] = {info.st_atim, info.st_mtim};
  if (fchown(to, info.st_uid, info.st_gid) != 0 || fchmod(to, info.st_mode & 07777) != 0) return errno;
  return futimens(to, times) == 0 ? 0 : errno;
}

Result<void> copy_file(int from, int to, const std::string& name, const struct stat& info) {
  const Descriptor source(openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (source.get() < 0) return failed(errno, "open", name);
  const Descriptor target(openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (target.get() < 0) return failed(errno, "create", name);
  ssize_t sent = 0;
  while ((sent = sendfile(target.get(), source.get(), nullptr, kChunk)) > 0) {
  }
  if (sent < 0) return failed(errno, "copy", name);
  const int failure = copy_attributes(target.get(), info);
  return failure == 0 ? Result<void>() : failed(failure, "set the owner and mode of", name);
}

Result<void> copy_link(int from, int to, const std::string& name, const struct stat& info) {
  std::string text(PATH_MAX, '\0');
  const ssize_t size = readlinkat(from, name.c_str(), text.data(), text.size());
  if (size < 0) return failed(errno, "read link", name);
  text.resize(static_cast<std::size_t>(size));
  const bool done = symlinkat(text.c_str(), to, name.c_str()) == 0 &&
                    fchownat(to, name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) == 0;
  return done ? Result<void>() : failed(errno, "make link", name);
}

Result<void> copy_node(int to, const std::string& name, const struct stat& info) {
  const bool done = mknodat(to, name.c_str(), info.st_mode, info.st_rdev) == 0 &&
                    fchownat(to, name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) == 0 &&
                    fchmodat(to, name.c_str(), info.st_mode & 07777, 0) == 0;
  return done ? Result<void>() : failed(errno, "make node", name);
}

Result<std::vector<std::string>> names_in(int directory) {
  DIR* stream = fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (stream == nullptr) return failed(errno, "list", "a directory");
  std::vector<std::string> names;
  while (const dirent* entry = readdir(stream)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
      names.emplace_back(entry->d_name);
  }
  closedir(stream);
  return names;
}

Result<void> copy_directory(int from, int to, int depth);

Result<void> copy_entry(int from, int to, const std::string& name, int depth) {
  struct stat info{};
  if (fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return failed(errno, "look at", name);
  if (S_ISREG(info.st_mode)) return copy_file(from, to, name, info);
  if (S_ISLNK(info.st_mode)) return copy_link(from, to, name, info);
  if (!S_ISDIR(info.st_mode)) return copy_node(to, name, info);
  if (mkdirat(to, name.c_str(), 0700) != 0) return failed(errno, "make directory", name);
  const Descriptor source(openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (source.get() < 0) return failed(errno, "open", name);
  const Descriptor target(openat(to, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (target.get() < 0) return failed(errno, "open", name);
  auto copied = copy_directory(source.get(), target.get(), depth + 1);
  return copied ? copied : Result<void>(copied.error().with_context(name));
}

Result<void> copy_directory(int from, int to, int depth) {
  if (depth > kDepthMax) return Error(ErrorCode::too_large, "directories are nested too deeply");
  SBX_TRY(names, names_in(from));
  for (const std::string& name : names) SBX_CHECK(copy_entry(from, to, name, depth));
  struct stat info{};
  if (fstat(from, &info) != 0) return failed(errno, "look at", "a directory");
  const int failure = copy_attributes(to, info);
  return failure == 0 ? Result<void>() : failed(failure, "set the owner and mode of", "a directory");
}

}  // namespace

Result<void> copy_tree(int from, int to) { return copy_directory(from, to, 0); }

}  // namespace sandboxd::containerd
