// The right to be the only process on a file: an exclusive flock on a lock file beside it.
//
// The kernel drops it when the holder dies, however it dies. The holder's process id and command are written into the
// lock file, so that the next one can say who is in the way. The file itself stays: removing it would let two
// processes lock two different files of one name.
#pragma once

#include "base/result.hpp"

#include <string>

namespace sandboxd::store {

class FileLock {
 public:
  FileLock() = default;
  // Errors: conflict (held, with the holder's id and what to do), storage_failed, permission_denied.
  [[nodiscard]] static Result<FileLock> acquire(const std::string& lock_path, const std::string& what);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace sandboxd::store
