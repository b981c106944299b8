// The bounded disks of containers: each is a sparse file with a file system of its own (disk_image.hpp), mounted by a
// loop device. Private to this folder.
//
//   <image_dir>/<key>.root      what the container writes to its root file system
//   <image_dir>/<key>.volumes   the directories that the image declares as volumes (both handlers)
//   <mount_dir>/<name>/         where they are mounted, while the container has a task
//
// Names come from the container's key, so whatever a crash leaves is found by it. Used on the adapter's one thread;
// what blocks is done on threads of its own.
#pragma once

#include "aio/blocking_pool.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/disk_image.hpp"
#include "ports/process_runner.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace sandboxd::containerd {

class ContainerDisks {
 public:
  // `runner` (may be null: then nothing can be made) outlives the object. Both directories are made when needed.
  ContainerDisks(std::string image_dir, std::string mount_dir, ports::ProcessRunner* runner)
      : image_dir_(std::move(image_dir)), mount_dir_(std::move(mount_dir)), runner_(runner) {}

  [[nodiscard]] std::string root_dir(const std::string& key) const { return mount_dir_ + "/" + key + ".root"; }
  [[nodiscard]] std::string volumes_dir(const std::string& key) const { return mount_dir_ + "/" + key + ".volumes"; }

  // Makes the disk and mounts it at root_dir(), with directories `upper` and `work` for an overlay; `upper` gets owner
  // and mode of `like`. Errors: storage_failed (such as a full disk), not_found and unsupported (mkfs.ext4 or loop
  // devices are missing, with what to do). Then nothing is left.
  [[nodiscard]] Task<Result<void>> make_root(std::string key, std::int64_t share, std::string like);
  // The same at volumes_dir(), empty.
  [[nodiscard]] Task<Result<void>> make_volumes(std::string key, std::int64_t share);

  // Those that a make_...() of the same key left, mounted again. Errors: not_found (there is none), storage_failed.
  [[nodiscard]] Task<Result<void>> mount_root(std::string key);
  [[nodiscard]] Task<Result<void>> mount_volumes(std::string key);

  // Unmounts both, which frees their loop devices, and keeps what is on them. Success also when there is nothing.
  [[nodiscard]] Task<Result<void>> release(std::string key);

  // Unmounts and deletes both. Success also when there is nothing.
  [[nodiscard]] Task<Result<void>> remove(std::string key);

  // What an earlier life of this instance left: removes the disks of containers which are not among `keys`, and
  // releases those of `idle` ones, which have no task.
  [[nodiscard]] Task<Result<void>> sweep(std::set<std::string> keys, std::set<std::string> idle);

  // For other blocking work on the disks.
  [[nodiscard]] aio::BlockingPool& pool() { return pool_; }

 private:
  Task<Result<void>> make(std::string key, std::string name, std::int64_t share);
  Task<Result<std::shared_ptr<const BlankDisk>>> blank_of(std::int64_t size);
  Result<void> make_now(const std::string& name, const BlankDisk& blank) const;
  Result<void> mount_now(const std::string& name) const;
  Result<void> release_now(const std::string& name) const;
  Result<void> remove_now(const std::string& name) const;

  std::string image_dir_;
  std::string mount_dir_;
  ports::ProcessRunner* runner_;
  std::map<std::int64_t, std::shared_ptr<const BlankDisk>> blanks_;
  std::set<std::string> own_;  // keys whose disks this life mounted, and drafts of blank disks: not for sweep()
  std::uint64_t drafts_ = 0;
  aio::BlockingPool pool_{2};  // a container's many unwritten pages do not hold up another's create
};

// Whether this machine can make such disks. Blocking. Errors: not_found, unsupported, with what to do.
[[nodiscard]] Result<void> check_disk_tools();

}  // namespace sandboxd::containerd
