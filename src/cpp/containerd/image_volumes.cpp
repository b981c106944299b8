#include "containerd/image_volumes.hpp"

#include "containerd/copy_tree.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <linux/openat2.h>
#include <string_view>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sandboxd::containerd {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 3> kSystem = {"/proc", "/sys", "/dev"};

std::string plain_path(const std::string& path) {
  std::string plain = fs::path(path).lexically_normal().string();
  while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  return plain;
}

bool is_own_directory(const std::string& path) {
  if (!path.starts_with('/') || path == "/") return false;
  return std::none_of(kSystem.begin(), kSystem.end(), [&](std::string_view system) {
    return path.starts_with(system) && (path.size() == system.size() || path[system.size()] == '/');
  });
}

bool is_covered(const ports::ContainerRequest& request, const std::string& path) {
  const auto& tmpfs = request.container.tmpfs;
  return std::any_of(request.mounts.begin(), request.mounts.end(),
                     [&](const ports::BindMount& item) { return plain_path(item.container_path) == path; }) ||
         std::any_of(tmpfs.begin(), tmpfs.end(),
                     [&](const model::Tmpfs& item) { return plain_path(item.mount_path) == path; });
}

// An overlay of several layers, mounted read-only for a moment: the descriptor keeps it alive after it was detached.
// Layers are named by descriptors, because many long paths do not fit into the page that mount options may take.
Result<int> open_merged(const std::vector<std::string>& layers, const std::string& scratch) {
  std::vector<int> held;
  std::string options = "index=off,lowerdir=";
  for (const std::string& layer : layers) {
    held.push_back(open(layer.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    options += (held.size() > 1 ? ":/proc/self/fd/" : "/proc/self/fd/") + std::to_string(held.back());
  }
  mkdir(scratch.c_str(), 0700);
  const bool mounted =
      mount("overlay", scratch.c_str(), "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options.c_str()) == 0;
  const int failure = errno;
  const int root = mounted ? open(scratch.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (mounted) umount2(scratch.c_str(), MNT_DETACH);
  rmdir(scratch.c_str());
  for (const int fd : held) {
    if (fd >= 0) close(fd);
  }
  if (root < 0) return errno_error(failure, "read the image for its volumes", ErrorCode::storage_failed);
  return root;
}

Result<int> open_image(const std::vector<std::string>& layers, const std::string& scratch) {
  if (layers.size() > 1) return open_merged(layers, scratch);
  const int root = layers.empty() ? -1 : open(layers.front().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return errno_error(layers.empty() ? ENOENT : errno, "read the image for its volumes");
  return root;
}

// Symbolic links are followed inside the image only.
int open_in_image(int root, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
}

Result<void> make_volume(int root, const ports::BindMount& volume) {
  if (mkdir(volume.host_path.c_str(), 0755) != 0)
    return errno_error(errno, "make directory " + volume.host_path, ErrorCode::storage_failed);
  const int from = open_in_image(root, volume.container_path);
  if (from < 0 && errno == ENOENT) return {};
  if (from < 0) return errno_error(errno, "open it in the image", ErrorCode::image_failed);
  const int to = open(volume.host_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Result<void> copied = errno_error(errno, "open " + volume.host_path, ErrorCode::storage_failed);
  if (to >= 0) {
    copied = copy_tree(from, to);
    close(to);
  }
  close(from);
  return copied;
}

}  // namespace

std::vector<ports::BindMount> plan_image_volumes(const ports::ContainerRequest& request, const std::string& disk) {
  std::vector<ports::BindMount> volumes;
  for (const std::string& declared : request.image.volumes) {
    const std::string path = plain_path(declared);
    const bool twice = std::any_of(volumes.begin(), volumes.end(),
                                   [&](const ports::BindMount& made) { return made.container_path == path; });
    if (twice || !is_own_directory(path) || is_covered(request, path)) continue;
    volumes.push_back({disk + "/" + std::to_string(volumes.size()), path, false});
  }
  return volumes;
}

Result<void> make_image_volumes(const std::vector<std::string>& layers, const std::string& scratch,
                                const std::vector<ports::BindMount>& volumes) {
  SBX_TRY(root, open_image(layers, scratch));
  Result<void> made;
  for (const ports::BindMount& volume : volumes) {
    made = make_volume(root, volume);
    if (made) continue;
    made = made.error().with_context("volume " + volume.container_path + " of the image");
    break;
  }
  close(root);
  return made;
}

}  // namespace sandboxd::containerd
