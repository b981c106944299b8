// A file descriptor with an owner, and the few calls on directories that the holder needs. Every path is opened below a
// directory that is held open, without following links.
#pragma once

#include "base/result.hpp"

#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace sandboxd::logholder {

class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() { reset(); }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

// The directory `name` below `parent` (AT_FDCWD for an absolute path), made when missing, mode 0700.
[[nodiscard]] Result<File> open_directory(int parent, const std::string& name, bool create);
// The names in a directory, without "." and "..".
[[nodiscard]] std::vector<std::string> entries_of(int directory);
// Removes the directory `name` below `parent` with the plain files and FIFOs in it (one level). Success when missing.
[[nodiscard]] Result<void> remove_directory(int parent, const std::string& name);

}  // namespace sandboxd::logholder
