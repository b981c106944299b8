// One container's log file as it grows, through its rotations. Blocking; one thread at a time.
#pragma once

#include "base/result.hpp"
#include "logs/descriptor.hpp"

#include <cstddef>
#include <string>
#include <sys/types.h>
#include <vector>

namespace sandboxd::logs {

class LogTail {
 public:
  // `directory` stays open as long as this lives.
  LogTail(int directory, const std::string& container) : directory_(directory), name_(container + ".log") {}

  // Appends the complete lines that came since the last call; the first call begins with the older half. Stops early
  // after about `bytes_max` bytes: has_more() is then true. Where the writer rotated twice meanwhile, a line of our own
  // says that some may be missing. Errors: storage_failed, permission_denied.
  [[nodiscard]] Result<void> read(std::size_t bytes_max, std::vector<std::string>& lines);
  [[nodiscard]] bool has_more() const { return has_more_; }

 private:
  struct Opened {
    Descriptor file;
    ino_t inode = 0;
  };

  [[nodiscard]] Result<Opened> open(const std::string& name) const;  // an invalid file when there is none
  Result<void> begin();
  // Reads on in `now_`; has_more_ tells whether it stopped before the end.
  Result<void> read_on(std::size_t bytes_max, std::vector<std::string>& lines);
  // Whether the writer went on to another file; that is `now_` then.
  Result<bool> step_over(std::size_t bytes_max, std::vector<std::string>& lines);

  int directory_;
  std::string name_;
  Opened now_;
  off_t offset_ = 0;  // in now_, after the last complete line
  bool has_more_ = false;
};

}  // namespace sandboxd::logs
