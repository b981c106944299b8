// A log file that changes its name every hour: <directory>/<prefix>-YYYYMMDD-HH.log, in UTC, with the first write of a
// new hour. Appends, mode 0644. With each new file those of the same prefix that are too many are removed; links are
// neither followed nor removed. One thread at a time.
#pragma once

#include "base/log_keep.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sandboxd {

class HourlyFile {
 public:
  // Makes the directory and opens the file of the hour of `now`. Errors: storage_failed, permission_denied, not_found.
  [[nodiscard]] static Result<HourlyFile> open(std::string directory, std::string prefix, WallTime now,
                                               LogKeep keep = {});
  HourlyFile(HourlyFile&& other) noexcept;
  HourlyFile& operator=(HourlyFile&& other) noexcept;
  HourlyFile(const HourlyFile&) = delete;
  HourlyFile& operator=(const HourlyFile&) = delete;
  ~HourlyFile();

  // Whole, or an error; after an error the next call tries the file anew.
  [[nodiscard]] Result<void> append(std::string_view bytes, WallTime now);
  // What was appended survives a power loss.
  void sync();
  [[nodiscard]] std::string path(WallTime at) const;

 private:
  HourlyFile(std::string directory, std::string prefix, LogKeep keep)
      : directory_(std::move(directory)), prefix_(std::move(prefix)), keep_(keep) {}
  [[nodiscard]] Result<void> turn_to(WallTime now);
  void remove_old(WallTime now) const;
  [[nodiscard]] std::string name(WallTime at) const;
  void close();

  std::string directory_;
  std::string prefix_;
  LogKeep keep_;
  std::int64_t hour_ = 0;  // since 1970, of the open file
  int fd_ = -1;
};

// Writes everything, over interruptions and full pipes. Errors: as errno says.
[[nodiscard]] Result<void> write_all(int fd, std::string_view bytes);

}  // namespace sandboxd
