#include "store/file_lock.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::store {
namespace {

// The command line of this process, for the next one to read. Arguments are separated by NUL in the kernel's file.
std::string own_command() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text(200, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  while (!text.empty() && text.back() == '\0') text.pop_back();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text;
}

std::string read_all(int fd) {
  std::array<char, 512> buffer{};
  const ssize_t count = pread(fd, buffer.data(), buffer.size(), 0);
  std::string text(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::string& lock_path, const std::string& what) {
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno_error(errno, "opening lock file " + lock_path, ErrorCode::storage_failed);
  FileLock lock(fd);
  int locked = -1;
  do {
    locked = flock(fd, LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  if (locked != 0 && errno == EWOULDBLOCK) {
    // The holder writes its line after locking, so it can be missing for a moment.
    const std::string holder = read_all(fd);
    return Error(ErrorCode::conflict, what + " is in use by " + (holder.empty() ? "another process" : holder) +
                                          ": stop that process first, or give this one another data directory");
  }
  if (locked != 0) return errno_error(errno, "locking " + lock_path, ErrorCode::storage_failed);
  // The line only informs: on a full disk the lock holds without it.
  const std::string line = "process " + std::to_string(getpid()) + " (" + own_command() + ")\n";
  const bool written = ftruncate(fd, 0) == 0 && pwrite(fd, line.data(), line.size(), 0) >= 0;
  static_cast<void>(written);
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace sandboxd::store
