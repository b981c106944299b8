#include "containerd/disk_image.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxd::containerd {

namespace {

constexpr std::int64_t kBlock = 4096;
constexpr std::int64_t kSizeMin = 256 * 1024;

// Named one by one, so that the machine's mke2fs.conf does not matter.
constexpr const char* kFeatures =
    "none,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,uninit_bg";

bool is_zero(const std::string& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

Result<void> read_range(int fd, std::int64_t start, std::int64_t end, BlankDisk& out) {
  for (std::int64_t at = start / kBlock * kBlock; at < end; at += kBlock) {
    std::string block(static_cast<std::size_t>(kBlock), '\0');
    const ssize_t got = pread(fd, block.data(), block.size(), at);
    if (got < 0) return errno_error(errno, "read a fresh file system", ErrorCode::storage_failed);
    block.resize(static_cast<std::size_t>(got));
    if (is_zero(block)) continue;
    if (!out.extents.empty()) {
      BlankDisk::Extent& last = out.extents.back();
      if (last.offset + static_cast<std::int64_t>(last.bytes.size()) == at) {
        last.bytes += block;
        continue;
      }
    }
    out.extents.push_back({at, std::move(block)});
  }
  return {};
}

Result<BlankDisk> read_blocks(int fd) {
  BlankDisk out;
  out.size = lseek(fd, 0, SEEK_END);
  std::int64_t end = 0;
  while (true) {
    const std::int64_t start = lseek(fd, end, SEEK_DATA);
    if (start < 0 && errno == ENXIO) return out;
    if (start >= 0) end = lseek(fd, start, SEEK_HOLE);
    if (start < 0 || end < 0) return errno_error(errno, "read a fresh file system", ErrorCode::storage_failed);
    SBX_CHECK(read_range(fd, start, end, out));
  }
}

int write_blocks(int fd, const BlankDisk& blank) {
  if (ftruncate(fd, blank.size) != 0) return errno;
  for (const BlankDisk::Extent& extent : blank.extents) {
    std::size_t done = 0;
    while (done < extent.bytes.size()) {
      const ssize_t put = pwrite(fd, extent.bytes.data() + done, extent.bytes.size() - done,
                                 extent.offset + static_cast<std::int64_t>(done));
      if (put < 0 && errno != EINTR) return errno;
      if (put > 0) done += static_cast<std::size_t>(put);
    }
  }
  return 0;
}

}  // namespace

std::int64_t disk_size(std::int64_t share_bytes) { return std::max(kSizeMin, share_bytes / kBlock * kBlock); }

std::vector<std::string> mkfs_command(const std::string& program, const std::string& file, std::int64_t size) {
  // Many small files are usual (packages, source trees): twice as many inodes as mkfs gives by default.
  return {program,
          "-q",
          "-F",
          "-b",
          "4096",
          "-I",
          "256",
          "-i",
          "8192",
          "-m",
          "0",
          "-O",
          kFeatures,
          "-E",
          "nodiscard,lazy_itable_init=1,root_owner=0:0",
          file,
          std::to_string(size / 1024) + "k"};
}

Result<std::string> find_mkfs() {
  for (const char* folder : {"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"}) {
    const std::string path = std::string(folder) + "/mkfs.ext4";
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return Error(
      ErrorCode::not_found,
      "mkfs.ext4 is not installed, and without it no container's disk can be bounded: apt-get install e2fsprogs");
}

Result<BlankDisk> read_blank_disk(const std::string& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, "open " + file, ErrorCode::storage_failed);
  auto blank = read_blocks(fd);
  close(fd);
  return blank;
}

Result<void> write_disk_image(const std::string& file, const BlankDisk& blank) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return errno_error(errno, "create " + file, ErrorCode::storage_failed);
  const int failure = write_blocks(fd, blank);
  close(fd);
  if (failure == 0) return {};
  unlink(file.c_str());
  return errno_error(failure, "write " + file, ErrorCode::storage_failed);
}

}  // namespace sandboxd::containerd
