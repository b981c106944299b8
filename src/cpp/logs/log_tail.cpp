#include "logs/log_tail.hpp"

#include "base/time.hpp"
#include "codec/cri_log.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <utility>

namespace sandboxd::logs {
namespace {

constexpr std::size_t kPortion = 256 * 1024;  // more than the longest line

std::string note_of_loss() {
  timespec at{};
  ::clock_gettime(CLOCK_REALTIME, &at);
  return format_rfc3339_fixed({at.tv_sec * std::int64_t{1'000'000'000} + at.tv_nsec}) +
         " stderr F [sandboxd: the log was rotated faster than it was read, lines may be missing]";
}

}  // namespace

Result<LogTail::Opened> LogTail::open(const std::string& name) const {
  Opened opened;
  opened.file = Descriptor(::openat(directory_, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!opened.file.valid() && errno == ENOENT) return opened;
  struct stat info{};
  if (!opened.file.valid() || ::fstat(opened.file.get(), &info) != 0)
    return errno_error(errno, "open " + name, ErrorCode::storage_failed);
  opened.inode = info.st_ino;
  return opened;
}

Result<void> LogTail::begin() {
  SBX_TRY(newer, open(name_));
  SBX_TRY(older, open(name_ + ".1"));
  const bool is_same = older.inode == newer.inode;  // rotated between the two
  now_ = older.file.valid() && !is_same ? std::move(older) : std::move(newer);
  return {};
}

Result<void> LogTail::read_on(std::size_t bytes_max, std::vector<std::string>& lines) {
  std::string buffer(kPortion, '\0');
  has_more_ = false;
  for (std::size_t done = 0;;) {
    if (done >= bytes_max) {
      has_more_ = true;
      return {};
    }
    const ssize_t count = ::pread(now_.file.get(), buffer.data(), buffer.size(), offset_);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "read " + name_, ErrorCode::storage_failed);
    const std::string_view read(buffer.data(), static_cast<std::size_t>(count));
    const std::size_t end = read.rfind('\n');
    if (end == std::string_view::npos) return {};
    auto complete = codec::split_lines(read.substr(0, end + 1));
    std::move(complete.begin(), complete.end(), std::back_inserter(lines));
    offset_ += static_cast<off_t>(end + 1);
    done += end + 1;
  }
}

Result<bool> LogTail::step_over(std::size_t bytes_max, std::vector<std::string>& lines) {
  SBX_TRY(newer, open(name_));
  if (!newer.file.valid() || newer.inode == now_.inode) return false;
  // Nobody writes to `now_` any more: what is read now is all of it.
  SBX_CHECK(read_on(bytes_max, lines));
  if (has_more_) return false;
  SBX_TRY(older, open(name_ + ".1"));
  const bool is_between = older.file.valid() && older.inode != now_.inode && older.inode != newer.inode;
  if (is_between) lines.push_back(note_of_loss());
  now_ = is_between ? std::move(older) : std::move(newer);
  offset_ = 0;
  return true;
}

Result<void> LogTail::read(std::size_t bytes_max, std::vector<std::string>& lines) {
  if (!now_.file.valid()) SBX_CHECK(begin());
  while (now_.file.valid()) {
    SBX_CHECK(read_on(bytes_max, lines));
    if (has_more_) return {};
    SBX_TRY(stepped, step_over(bytes_max, lines));
    if (!stepped) return {};
  }
  return {};
}

}  // namespace sandboxd::logs
