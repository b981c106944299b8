// One child process with captured streams, as system calls. See posix_runner.hpp for what the child gets.
#pragma once

#include "base/result.hpp"
#include "ports/process_runner.hpp"

#include <memory>
#include <sys/types.h>
#include <utility>

namespace sandboxd::proc {

// Owns a descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

class Child {
 public:
  Child(pid_t pid, Fd pidfd, Fd out, Fd err)
      : pidfd(std::move(pidfd)), out(std::move(out)), err(std::move(err)), pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // kills and reaps when nobody did; blocks until the kernel took the child down

  void kill_group() const;
  // The exit code (128 + signal); 0 when it was reaped before. Call once the pidfd is readable, or after kill_group():
  // blocks until the child ended.
  [[nodiscard]] int reap();

  Fd pidfd;  // readable when the child ended
  Fd out;    // read ends, not blocking
  Fd err;

 private:
  pid_t pid_;  // 0 once reaped
};

// not_found when there is no such executable, permission_denied when it is not executable, internal otherwise.
[[nodiscard]] Result<std::shared_ptr<Child>> spawn(const ports::ProcessRequest& request);

}  // namespace sandboxd::proc
