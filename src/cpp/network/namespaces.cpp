#include "network/namespaces.hpp"

#include "network/rtnetlink.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace sandboxd::network {
namespace {

namespace fs = std::filesystem;

Error system_error_of(const std::string& what) { return errno_error(errno, what, ErrorCode::network_failed); }

// So that a namespace mounted here is seen, and later unmounted, in every mount namespace that shares the folder.
Result<void> share_folder(const std::string& dir) {
  if (::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return system_error_of("create " + dir);
  if (::mount("", dir.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL) return system_error_of("share " + dir);
  if (::mount(dir.c_str(), dir.c_str(), "none", MS_BIND | MS_REC, nullptr) != 0) return system_error_of("mount " + dir);
  if (::mount("", dir.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0) return system_error_of("share " + dir);
  return {};
}

// Of the calling thread's namespace. A kernel without the feature has nothing to set.
Result<void> set_inside(const char* path, std::string_view value) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return {};
  if (fd < 0) return system_error_of(path);
  const ssize_t n = ::write(fd, value.data(), value.size());
  const int failure = n < 0 ? errno : 0;
  ::close(fd);
  if (failure != 0) return errno_error(failure, path, ErrorCode::network_failed);
  return {};
}

// Runs in a thread that ends afterwards, taking its membership of the namespace with it.
Result<void> fill_namespace(const std::string& path) {
  if (::unshare(CLONE_NEWNET) != 0) return system_error_of("make a network namespace");
  SBX_CHECK(set_inside("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"));
  SBX_CHECK(set_inside("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"));
  SBX_CHECK(set_inside("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"));
  SBX_CHECK(set_inside("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"));
  SBX_CHECK(rtnetlink::set_up("lo"));
  if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0)
    return system_error_of("mount " + path);
  return {};
}

}  // namespace

Result<void> make_namespace(const std::string& path) {
  SBX_CHECK(share_folder(fs::path(path).parent_path().string()));
  const int fd = ::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  if (fd < 0) return system_error_of("create " + path);
  ::close(fd);
  Result<void> made;
  std::thread inside([&] { made = fill_namespace(path); });
  inside.join();
  if (!made) static_cast<void>(remove_namespace(path));
  return made;
}

Result<void> in_namespace(const std::string& path, const std::function<Result<void>()>& work) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error_of("open " + path);
  Result<void> done;
  std::thread inside([&] {
    if (::setns(fd, CLONE_NEWNET) != 0) {
      done = system_error_of("enter " + path);
    } else {
      done = work();
    }
  });
  inside.join();
  ::close(fd);
  return done;
}

Result<void> remove_namespace(const std::string& path) {
  // EINVAL: a file without a mount, left by a crash between the two.
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT)
    return system_error_of("unmount " + path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error_of("remove " + path);
  return {};
}

Result<void> discard_unmounted(const std::string& path) {
  struct statfs system{};
  if (::statfs(path.c_str(), &system) != 0) {
    if (errno == ENOENT) return {};
    return system_error_of("look at " + path);
  }
  if (system.f_type == NSFS_MAGIC) return {};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error_of("remove " + path);
  return {};
}

bool is_slot_name(std::string_view name, std::string_view prefix) {
  constexpr std::size_t kDigits = 8;
  return name.size() == prefix.size() + kDigits && name.starts_with(prefix) &&
         name.find_first_not_of("0123456789abcdef", prefix.size()) == std::string_view::npos;
}

Result<std::vector<std::string>> list_namespaces(const std::string& dir, std::string_view prefix) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator entry(dir, failure), end; !failure && entry != end; entry.increment(failure)) {
    std::string name = entry->path().filename().string();
    if (is_slot_name(name, prefix)) names.push_back(std::move(name));
  }
  if (failure && failure != std::errc::no_such_file_or_directory)
    return errno_error(failure.value(), "list " + dir, ErrorCode::network_failed);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace sandboxd::network
