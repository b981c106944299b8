#include "containerd/container_disks.hpp"

#include "base/log.hpp"
#include "containerd/loop_mount.hpp"

#include <cerrno>
#include <filesystem>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::containerd {

namespace fs = std::filesystem;

namespace {

const Log log("containerd");

constexpr const char* kSuffixes[] = {".root", ".volumes"};
constexpr std::size_t kBlanksMax = 64;
constexpr Duration kMkfsLimit = std::chrono::seconds(30);

Result<void> make_directory(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec) return errno_error(ec.value(), "make directory " + path, ErrorCode::storage_failed);
  return {};
}

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec)) names.insert(entry.path().filename());
  return names;
}

std::string key_of(const std::string& name) { return name.substr(0, name.rfind('.')); }

Result<void> make_upper(const std::string& disk, const std::string& like) {
  struct stat info{};
  if (stat(like.c_str(), &info) != 0) return errno_error(errno, "look at " + like, ErrorCode::storage_failed);
  const std::string upper = disk + "/upper", work = disk + "/work";
  const bool made = mkdir(work.c_str(), 0700) == 0 && mkdir(upper.c_str(), 0700) == 0 &&
                    chown(upper.c_str(), info.st_uid, info.st_gid) == 0 &&
                    chmod(upper.c_str(), info.st_mode & 07777) == 0;
  if (!made) return errno_error(errno, "make " + upper, ErrorCode::storage_failed);
  return {};
}

}  // namespace

Task<Result<void>> ContainerDisks::make_root(std::string key, std::int64_t share, std::string like) {
  SBX_CO_CHECK(co_await make(key, key + ".root", share));
  const std::string disk = root_dir(key);
  co_return co_await pool_.run([disk, like] { return make_upper(disk, like); });
}

Task<Result<void>> ContainerDisks::make_volumes(std::string key, std::int64_t share) {
  co_return co_await make(key, key + ".volumes", share);
}

Task<Result<void>> ContainerDisks::mount_root(std::string key) {
  own_.insert(key);
  co_return co_await pool_.run([this, name = key + ".root"] { return mount_now(name); });
}

Task<Result<void>> ContainerDisks::mount_volumes(std::string key) {
  own_.insert(key);
  co_return co_await pool_.run([this, name = key + ".volumes"] { return mount_now(name); });
}

Task<Result<void>> ContainerDisks::make(std::string key, std::string name, std::int64_t share) {
  SBX_CO_TRY(blank, co_await blank_of(disk_size(share)));
  own_.insert(key);
  co_return co_await pool_.run([this, name, blank = blank] { return make_now(name, *blank); });
}

Task<Result<std::shared_ptr<const BlankDisk>>> ContainerDisks::blank_of(std::int64_t size) {
  if (const auto known = blanks_.find(size); known != blanks_.end()) co_return known->second;
  if (runner_ == nullptr)
    co_return Error(ErrorCode::unsupported, "this adapter was given nothing to run mkfs.ext4 with");
  SBX_CO_TRY(program, find_mkfs());
  SBX_CO_CHECK(make_directory(image_dir_));
  const std::string draft = std::to_string(size) + "-" + std::to_string(++drafts_);
  const std::string file = image_dir_ + "/" + draft + ".blank";
  own_.insert(draft);
  ports::ProcessRequest request;
  request.argv = mkfs_command(program, file, size);
  request.env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
  request.timeout = kMkfsLimit;
  unlink(file.c_str());
  const auto done = co_await runner_->run(std::move(request));
  auto blank = co_await pool_.run([file] {
    auto read = read_blank_disk(file);
    unlink(file.c_str());
    return read;
  });
  own_.erase(draft);
  if (!done) co_return done.error().with_context("mkfs.ext4");
  if (done->exit_code != 0) {
    co_return Error(ErrorCode::storage_failed,
                    "mkfs.ext4 on " + file + " failed: " + done->stderr_text.substr(0, 1000));
  }
  if (!blank) co_return blank.error();
  if (blanks_.size() >= kBlanksMax) blanks_.erase(blanks_.begin());
  auto shared = std::make_shared<const BlankDisk>(*std::move(blank));
  blanks_[size] = shared;
  co_return shared;
}

Result<void> ContainerDisks::make_now(const std::string& name, const BlankDisk& blank) const {
  // What an earlier attempt under the same key left.
  SBX_CHECK(remove_now(name));
  const std::string file = image_dir_ + "/" + name, directory = mount_dir_ + "/" + name;
  SBX_CHECK(make_directory(image_dir_));
  SBX_CHECK(make_directory(directory));
  auto made = write_disk_image(file, blank);
  if (made) made = mount_disk(file, directory);
  if (made) return made;
  const auto undone = remove_now(name);
  if (!undone) return made.error().with_reasons({"not cleaned up: " + undone.error().message()});
  return made;
}

Result<void> ContainerDisks::mount_now(const std::string& name) const {
  const std::string file = image_dir_ + "/" + name, directory = mount_dir_ + "/" + name;
  struct stat image{}, inside{}, outside{};
  if (stat(file.c_str(), &image) != 0)
    return errno_error(errno, "look at " + file, errno == ENOENT ? ErrorCode::not_found : ErrorCode::storage_failed);
  SBX_CHECK(make_directory(directory));
  const bool known = stat(directory.c_str(), &inside) == 0 && stat(mount_dir_.c_str(), &outside) == 0;
  if (known && inside.st_dev != outside.st_dev) return {};
  return mount_disk_again(file, directory);
}

Result<void> ContainerDisks::release_now(const std::string& name) const {
  const std::string directory = mount_dir_ + "/" + name;
  // Lazily: a process of the container that is about to die may still hold it.
  while (umount2(directory.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return errno_error(errno, "unmount " + directory, ErrorCode::storage_failed);
  if (rmdir(directory.c_str()) != 0 && errno != ENOENT)
    return errno_error(errno, "remove " + directory, ErrorCode::storage_failed);
  return {};
}

Result<void> ContainerDisks::remove_now(const std::string& name) const {
  SBX_CHECK(release_now(name));
  const std::string file = image_dir_ + "/" + name;
  if (unlink(file.c_str()) != 0 && errno != ENOENT)
    return errno_error(errno, "remove " + file, ErrorCode::storage_failed);
  return {};
}

Task<Result<void>> ContainerDisks::release(std::string key) {
  for (const char* suffix : kSuffixes) {
    const std::string name = key + suffix;
    SBX_CO_CHECK(co_await pool_.run([this, name] { return release_now(name); }));
  }
  own_.erase(key);
  co_return Result<void>();
}

Task<Result<void>> ContainerDisks::remove(std::string key) {
  for (const char* suffix : kSuffixes) {
    const std::string name = key + suffix;
    SBX_CO_CHECK(co_await pool_.run([this, name] { return remove_now(name); }));
  }
  own_.erase(key);
  co_return Result<void>();
}

// The names first, what is this life's own afterwards: what was made in between is in neither.
Task<Result<void>> ContainerDisks::sweep(std::set<std::string> keys, std::set<std::string> idle) {
  auto images = co_await pool_.run([this] { return names_in(image_dir_); });
  const auto mounted = co_await pool_.run([this] { return names_in(mount_dir_); });
  images.insert(mounted.begin(), mounted.end());
  for (const std::string& name : images) {
    const std::string key = key_of(name);
    if (own_.contains(key)) continue;
    if (!keys.contains(key)) {
      log.info("removing a disk that no container owns", {{"disk", name}});
      SBX_CO_CHECK(co_await pool_.run([this, name] { return remove_now(name); }));
    } else if (idle.contains(key) && mounted.contains(name)) {
      log.info("unmounting the disk of a container that does not run", {{"disk", name}});
      SBX_CO_CHECK(co_await pool_.run([this, name] { return release_now(name); }));
    }
  }
  co_return Result<void>();
}

Result<void> check_disk_tools() {
  SBX_TRY(program, find_mkfs());
  (void)program;
  return check_loop_devices();
}

}  // namespace sandboxd::containerd
