#include "proc/statvfs_gauge.hpp"

#include <cerrno>
#include <sys/statvfs.h>

namespace sandboxd::proc {

Result<ports::DiskSpace> StatvfsGauge::read() {
  struct statvfs found{};
  if (::statvfs(path_.c_str(), &found) != 0) return errno_error(errno, "statvfs " + path_, ErrorCode::storage_failed);
  ports::DiskSpace space;
  space.capacity_bytes = static_cast<std::int64_t>(found.f_blocks * found.f_frsize);
  space.free_bytes = static_cast<std::int64_t>(found.f_bavail * found.f_frsize);
  return space;
}

}  // namespace sandboxd::proc
