// Files that hold an empty ext4 file system of a fixed size: what a container may write to the disk, and no more.
//
// mkfs.ext4 runs once per size; the few blocks that it writes are kept (BlankDisk) and every further file of that size
// is made from them in a fraction of a millisecond. Files are sparse: the disk is used as the container uses it, up to
// the size. About 3 % of the size holds the file system's own tables. There is no journal: a container's disk does not
// outlive a crash of the host, so nothing needs one.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::containerd {

struct BlankDisk {
  struct Extent {
    std::int64_t offset = 0;
    std::string bytes;
  };
  std::int64_t size = 0;
  std::vector<Extent> extents;
};

// What is made of a share: whole blocks, and at least the 256 KiB that ext4 needs. Pure.
[[nodiscard]] std::int64_t disk_size(std::int64_t share_bytes);

// The command that makes a file system of `size` (from disk_size()) in `file`. Pure.
[[nodiscard]] std::vector<std::string> mkfs_command(const std::string& program, const std::string& file,
                                                    std::int64_t size);

// Absolute path of mkfs.ext4, searched where system administration programs are. Errors: not_found, with what to
// install.
[[nodiscard]] Result<std::string> find_mkfs();

// The blocks of a fresh file system that are not zero. Blocking.
[[nodiscard]] Result<BlankDisk> read_blank_disk(const std::string& file);

// A new file, only ours to read. Blocking. Errors: already_exists, storage_failed (disk full); then no file is left.
[[nodiscard]] Result<void> write_disk_image(const std::string& file, const BlankDisk& blank);

}  // namespace sandboxd::containerd
