#include "base/log_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace sandboxd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kHourNs = std::int64_t{3600} * 1'000'000'000;
constexpr int kPatienceMs = 1000;  // for a full pipe that somebody made non-blocking

std::int64_t hour_of(WallTime at) { return at.ns / kHourNs; }

}  // namespace

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      pollfd waiting{fd, POLLOUT, 0};
      if (::poll(&waiting, 1, kPatienceMs) > 0) continue;
    }
    return errno_error(errno, "write", ErrorCode::storage_failed);
  }
  return {};
}

Result<HourlyFile> HourlyFile::open(std::string directory, std::string prefix, WallTime now, LogKeep keep) {
  HourlyFile file(std::move(directory), std::move(prefix), keep);
  std::error_code failure;
  fs::create_directories(file.directory_, failure);
  if (failure) return errno_error(failure.value(), "make log directory " + file.directory_, ErrorCode::storage_failed);
  SBX_CHECK(file.turn_to(now));
  return file;
}

HourlyFile::HourlyFile(HourlyFile&& other) noexcept
    : directory_(std::move(other.directory_)),
      prefix_(std::move(other.prefix_)),
      keep_(other.keep_),
      hour_(other.hour_),
      fd_(std::exchange(other.fd_, -1)) {}

HourlyFile& HourlyFile::operator=(HourlyFile&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(prefix_, other.prefix_);
  std::swap(keep_, other.keep_);
  std::swap(hour_, other.hour_);
  std::swap(fd_, other.fd_);
  return *this;
}

HourlyFile::~HourlyFile() { close(); }

void HourlyFile::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::string HourlyFile::name(WallTime at) const {
  const std::string stamp = format_rfc3339_fixed(at);  // 2026-01-02T03:04:05.000000000Z
  return prefix_ + "-" + stamp.substr(0, 4) + stamp.substr(5, 2) + stamp.substr(8, 2) + "-" + stamp.substr(11, 2) +
         ".log";
}

std::string HourlyFile::path(WallTime at) const { return directory_ + "/" + name(at); }

// What cannot be read or removed is tried again with the next hour: the log has no better place to say so.
void HourlyFile::remove_old(WallTime now) const {
  if (keep_.files <= 0 && keep_.bytes <= 0) return;
  std::vector<LogFileFacts> files;
  std::error_code failure;
  for (auto at = fs::directory_iterator(directory_, failure); !failure && at != fs::directory_iterator();
       at.increment(failure)) {
    const std::string found = at->path().filename().string();
    if (!is_hourly_name(found, prefix_)) continue;
    std::error_code unreadable;
    if (at->symlink_status(unreadable).type() != fs::file_type::regular) continue;
    const auto size = at->file_size(unreadable);
    files.push_back({found, unreadable ? 0 : static_cast<std::int64_t>(size)});
  }
  for (const std::string& old : superfluous_logs(std::move(files), name(now), keep_)) {
    fs::remove(directory_ + "/" + old, failure);
  }
}

Result<void> HourlyFile::turn_to(WallTime now) {
  if (fd_ >= 0 && hour_ == hour_of(now)) return {};
  const std::string next = path(now);
  const int fd = ::open(next.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return errno_error(errno, "open log file " + next, ErrorCode::storage_failed);
  sync();
  close();
  fd_ = fd;
  hour_ = hour_of(now);
  remove_old(now);
  return {};
}

Result<void> HourlyFile::append(std::string_view bytes, WallTime now) {
  SBX_CHECK(turn_to(now));
  const auto written = write_all(fd_, bytes);
  if (!written) return written.error().with_context("log file " + path(now));
  return {};
}

void HourlyFile::sync() {
  if (fd_ >= 0) ::fdatasync(fd_);
}

}  // namespace sandboxd
