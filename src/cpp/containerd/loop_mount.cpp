#include "containerd/loop_mount.hpp"

#include "containerd/descriptor.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/loop.h>
#include <optional>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::containerd {

namespace {

constexpr const char* kControl = "/dev/loop-control";
constexpr int kLoopMajor = 7;
constexpr int kAttemptsMax = 64;

// noinit_itable: nothing is zeroed in the background. nobarrier: the image is not synced to the host's disk, neither
// when the container syncs nor when it is removed; after a crash of the host it is thrown away in any case.
constexpr const char* kOptions = "noinit_itable,nobarrier";

struct LoopDevice {
  Descriptor held;  // until it is mounted: a free device with autoclear is cleared at its last close
  std::string path;
};

Error no_loop(int number) {
  return Error(ErrorCode::unsupported,
               std::string(kControl) + ": " + errno_error(number, "open").message() +
                   ": loop devices bound the disk of a container: modprobe loop (in a container of your own: give it "
                   "/dev/loop-control and the loop devices)");
}

int open_device(const std::string& path, int index) {
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd >= 0 || errno != ENOENT) return fd;
  // A /dev that nobody fills.
  if (mknod(path.c_str(), S_IFBLK | 0600, makedev(kLoopMajor, static_cast<unsigned>(index))) != 0 && errno != EEXIST)
    return -1;
  return open(path.c_str(), O_RDWR | O_CLOEXEC);
}

// Others may take the free device first: then the next one.
Result<LoopDevice> attach(int image, const std::string& name) {
  const Descriptor control(open(kControl, O_RDWR | O_CLOEXEC));
  if (control.get() < 0) return no_loop(errno);
  loop_config config{};
  config.fd = static_cast<__u32>(image);
  config.block_size = 4096;
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  name.copy(reinterpret_cast<char*>(config.info.lo_file_name), LO_NAME_SIZE - 1);
  int failure = 0;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const int index = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (index < 0) return errno_error(errno, "get a loop device", ErrorCode::storage_failed);
    const std::string path = "/dev/loop" + std::to_string(index);
    Descriptor device(open_device(path, index));
    if (device.get() < 0) return errno_error(errno, "open " + path, ErrorCode::storage_failed);
    if (ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) return LoopDevice{std::move(device), path};
    failure = errno;
    if (failure != EBUSY) break;
  }
  return errno_error(failure, "attach " + name + " to a loop device", ErrorCode::storage_failed);
}

// The device that an image is attached to; none when there is none.
std::optional<LoopDevice> attached_device(int image, const std::string& name) {
  struct stat info{};
  if (fstat(image, &info) != 0) return std::nullopt;
  const std::string file = std::filesystem::path(name).filename();
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/block", ec)) {
    std::string backing;
    std::getline(std::ifstream(entry.path() / "loop/backing_file"), backing);
    if (std::filesystem::path(backing).filename() != file) continue;
    const std::string path = "/dev/" + entry.path().filename().string();
    Descriptor device(open(path.c_str(), O_RDWR | O_CLOEXEC));
    loop_info64 status{};
    // One that is being cleared has no status any more.
    if (device.get() < 0 || ioctl(device.get(), LOOP_GET_STATUS64, &status) != 0) continue;
    if (status.lo_inode == info.st_ino) return LoopDevice{std::move(device), path};
  }
  return std::nullopt;
}

Result<void> mount_device(const LoopDevice& device, const std::string& image, const std::string& directory) {
  if (mount(device.path.c_str(), directory.c_str(), "ext4", MS_NOSUID | MS_NODEV, kOptions) != 0)
    return errno_error(errno, "mount " + image + " by " + device.path, ErrorCode::storage_failed);
  return {};
}

}  // namespace

Result<void> mount_disk(const std::string& image, const std::string& directory) {
  const Descriptor file(open(image.c_str(), O_RDWR | O_CLOEXEC));
  if (file.get() < 0) return errno_error(errno, "open " + image, ErrorCode::storage_failed);
  SBX_TRY(device, attach(file.get(), image));
  return mount_device(device, image, directory);
}

Result<void> mount_disk_again(const std::string& image, const std::string& directory) {
  const Descriptor file(open(image.c_str(), O_RDWR | O_CLOEXEC));
  if (file.get() < 0) return errno_error(errno, "open " + image, ErrorCode::storage_failed);
  if (const auto device = attached_device(file.get(), image)) return mount_device(*device, image, directory);
  SBX_TRY(device, attach(file.get(), image));
  return mount_device(device, image, directory);
}

Result<void> check_loop_devices() {
  const Descriptor control(open(kControl, O_RDWR | O_CLOEXEC));
  if (control.get() < 0) return no_loop(errno);
  return {};
}

}  // namespace sandboxd::containerd
