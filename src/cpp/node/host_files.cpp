#include "node/host_files.hpp"

#include "base/limits.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <sys/mount.h>
#include <sys/stat.h>
#include <utility>

namespace sandboxd::node {
namespace {

namespace fs = std::filesystem;

Result<void> make_directory(const std::string& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (failure) return errno_error(failure.value(), "make directory " + path, ErrorCode::storage_failed);
  return {};
}

// Containers run as any user: the files are readable for all, their directory is not.
Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) return Error(ErrorCode::storage_failed, "write " + path + ": " + std::generic_category().message(errno));
  if (::chmod(path.c_str(), 0644) != 0) return errno_error(errno, "chmod " + path, ErrorCode::storage_failed);
  return {};
}

bool is_mount_point(const std::string& path) {
  struct stat self{};
  struct stat parent{};
  if (::stat(path.c_str(), &self) != 0 || ::stat((path + "/..").c_str(), &parent) != 0) return false;
  return self.st_dev != parent.st_dev;
}

// Containers may write to these files, as with Docker, and so to the host's file system that they are on: they get a
// small one of their own.
constexpr const char* kFilesOptions = "mode=0700,size=64k,nr_inodes=16";

Result<void> mount_tmpfs(const std::string& path, const std::string& options) {
  SBX_CHECK(make_directory(path));
  if (is_mount_point(path)) return {};
  if (::mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
    return errno_error(errno, "mount a tmpfs on " + path, ErrorCode::storage_failed);
  return {};
}

// Lazily: a container that was killed a moment ago may still hold it.
Result<void> unmount(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
    return errno_error(errno, "unmount " + path, ErrorCode::storage_failed);
  return {};
}

}  // namespace

Task<Result<ports::SandboxFilesReady>> HostFiles::prepare(ports::SandboxFilesRequest request) {
  co_return co_await pool_.run([this, request = std::move(request)] { return prepare_now(request); });
}

Task<Result<void>> HostFiles::remove(SandboxId sandbox) {
  co_return co_await pool_.run([this, sandbox = std::move(sandbox)] { return remove_now(sandbox); });
}

Task<Result<std::vector<SandboxId>>> HostFiles::list() {
  auto found = co_await pool_.run([this] { return list_now(); });
  co_return found;
}

Result<ports::SandboxFilesReady> HostFiles::prepare_now(const ports::SandboxFilesRequest& request) const {
  const std::string directory = files_dir(request.sandbox);
  SBX_CHECK(mount_tmpfs(directory, kFilesOptions));
  std::string resolv;
  for (const std::string& server : dns_servers_) resolv += "nameserver " + server + "\n";
  SBX_CHECK(write_file(directory + "/resolv.conf", resolv));
  SBX_CHECK(write_file(directory + "/hostname", request.hostname + "\n"));
  SBX_CHECK(write_file(directory + "/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n" + request.ip +
                                                 "\t" + request.hostname + "\n"));
  ports::SandboxFilesReady ready;
  for (const char* name : {"resolv.conf", "hostname", "hosts"})
    ready.common.push_back({directory + "/" + name, std::string("/etc/") + name, false});
  for (const model::Volume& volume : request.volumes) {
    const std::string path = volumes_dir(request.sandbox) + "/" + volume.name;
    SBX_CHECK(mount_tmpfs(path, "mode=1777,size=" + std::to_string(volume.ephemeral_storage_bytes.value)));
    ready.volumes[volume.name] = path;
  }
  return ready;
}

Result<void> HostFiles::remove_now(const SandboxId& sandbox) const {
  std::error_code failure;
  const std::string volumes = volumes_dir(sandbox);
  for (const auto& volume : fs::directory_iterator(volumes, failure)) {
    SBX_CHECK(unmount(volume.path().string()));
  }
  SBX_CHECK(unmount(files_dir(sandbox)));
  for (const std::string& path : {volumes, files_dir(sandbox)}) {
    fs::remove_all(path, failure);
    if (failure) return errno_error(failure.value(), "remove " + path, ErrorCode::storage_failed);
  }
  return {};
}

std::vector<SandboxId> HostFiles::list_now() const {
  std::set<std::string> names;
  std::error_code failure;
  for (const char* folder : {"/files", "/volumes"}) {
    for (const auto& entry : fs::directory_iterator(run_dir_ + folder, failure))
      names.insert(entry.path().filename().string());
  }
  std::vector<SandboxId> sandboxes;
  for (const std::string& name : names) sandboxes.emplace_back(name);
  return sandboxes;
}

}  // namespace sandboxd::node
