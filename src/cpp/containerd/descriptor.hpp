// An open file descriptor, closed with the object. Private to this folder.
#pragma once

#include <unistd.h>
#include <utility>

namespace sandboxd::containerd {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }  // negative: it could not be opened

 private:
  int fd_;
};

}  // namespace sandboxd::containerd
