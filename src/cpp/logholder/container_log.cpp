#include "logholder/container_log.hpp"

#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <sys/stat.h>

namespace sandboxd::logholder {
namespace {

constexpr std::size_t kPortion = 256 * 1024;
constexpr int kPipeBytes = 1024 * 1024;

WallTime now() {
  timespec at{};
  ::clock_gettime(CLOCK_REALTIME, &at);
  return {at.tv_sec * std::int64_t{1'000'000'000} + at.tv_nsec};
}

Result<File> open_fifo(int directory, const std::string& name) {
  if (::mkfifoat(directory, name.c_str(), 0600) != 0 && errno != EEXIST)
    return errno_error(errno, "make FIFO " + name, ErrorCode::storage_failed);
  File fifo(::openat(directory, name.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!fifo.valid()) return errno_error(errno, "open FIFO " + name, ErrorCode::storage_failed);
  struct stat info{};
  if (::fstat(fifo.get(), &info) != 0 || !S_ISFIFO(info.st_mode))
    return Error(ErrorCode::storage_failed, name + " is not a FIFO: remove it");
  // Room for bursts. The kernel may refuse (a limit per user); the default size works too.
  ::fcntl(fifo.get(), F_SETPIPE_SZ, kPipeBytes);
  return fifo;
}

}  // namespace

Result<ContainerLog> ContainerLog::open(int io_directory, int log_directory, const std::string& container,
                                        std::int64_t bytes_max) {
  SBX_TRY(out, open_fifo(io_directory, container + ".out"));
  SBX_TRY(err, open_fifo(io_directory, container + ".err"));
  File directory(::fcntl(log_directory, F_DUPFD_CLOEXEC, 3));
  if (!directory.valid()) return errno_error(errno, "open log directory", ErrorCode::storage_failed);
  return ContainerLog(
      {Stream{std::move(out), codec::CriFormatter("stdout")}, Stream{std::move(err), codec::CriFormatter("stderr")}},
      std::move(directory), container + ".log", bytes_max);
}

bool ContainerLog::pump(std::size_t stream) {
  static char buffer[kPortion];
  const ssize_t count = ::read(streams_[stream].fifo.get(), buffer, sizeof buffer);
  if (count <= 0) return count < 0 && errno == EINTR;
  std::string lines;
  streams_[stream].formatter.feed({buffer, static_cast<std::size_t>(count)}, now(), lines);
  write_out(lines);
  return true;
}

void ContainerLog::drain() {
  for (std::size_t stream = 0; stream < kStreams; ++stream) {
    while (pump(stream)) {
    }
    std::string last;
    streams_[stream].formatter.flush(now(), last);
    write_out(last);
  }
}

void ContainerLog::write_out(const std::string& lines) {
  std::string_view rest = lines;
  while (!rest.empty()) {
    // Whole lines only, so that a rotation never cuts one.
    std::size_t size = rest.size();
    if (!open_file()) return void(dropped_bytes_ += static_cast<std::int64_t>(size));
    const std::int64_t room = bytes_max_ - file_bytes_;
    if (static_cast<std::int64_t>(size) > room) {
      const std::size_t end = room > 0 ? rest.rfind('\n', static_cast<std::size_t>(room) - 1) : std::string_view::npos;
      if (end == std::string_view::npos && file_bytes_ > 0) {
        rotate();
        continue;
      }
      // A file holds one line at least, however small the limit.
      size = end == std::string_view::npos ? rest.find('\n') + 1 : end + 1;
    }
    if (dropped_bytes_ > 0) {
      const std::string note = format_rfc3339_fixed(now()) + " stderr F [sandboxd: " + std::to_string(dropped_bytes_) +
                               " bytes of output were lost, the disk took no more]\n";
      if (append(note.data(), note.size())) dropped_bytes_ = 0;
    }
    if (!append(rest.data(), size)) dropped_bytes_ += static_cast<std::int64_t>(size);
    rest.remove_prefix(size);
  }
}

bool ContainerLog::append(const char* data, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::write(file_.get(), data + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      // No half lines: readers take every line as written by its container.
      if (::ftruncate(file_.get(), file_bytes_) != 0) file_.reset();
      return false;
    }
    done += static_cast<std::size_t>(count);
  }
  file_bytes_ += static_cast<std::int64_t>(size);
  return true;
}

void ContainerLog::rotate() {
  file_.reset();
  const std::string older = name_ + ".1";
  if (::renameat(directory_.get(), name_.c_str(), directory_.get(), older.c_str()) != 0)
    ::unlinkat(directory_.get(), name_.c_str(), 0);
}

bool ContainerLog::open_file() {
  if (file_.valid()) return true;
  file_ = File(::openat(directory_.get(), name_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat info{};
  if (!file_.valid() || ::fstat(file_.get(), &info) != 0) return false;
  file_bytes_ = info.st_size;
  return true;
}

}  // namespace sandboxd::logholder
