#include "logholder/file.hpp"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace sandboxd::logholder {

Result<File> open_directory(int parent, const std::string& name, bool create) {
  if (create && ::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST)
    return errno_error(errno, "make directory " + name, ErrorCode::storage_failed);
  File directory(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory.valid()) return errno_error(errno, "open directory " + name, ErrorCode::storage_failed);
  return directory;
}

std::vector<std::string> entries_of(int directory) {
  std::vector<std::string> names;
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return names;
  DIR* stream = ::fdopendir(copy);
  if (stream == nullptr) {
    ::close(copy);
    return names;
  }
  while (const dirent* entry = ::readdir(stream)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  ::closedir(stream);
  return names;
}

Result<void> remove_directory(int parent, const std::string& name) {
  const auto directory = open_directory(parent, name, false);
  if (!directory && directory.error().code() == ErrorCode::not_found) return {};
  if (!directory) return directory.error();
  for (const std::string& entry : entries_of(directory->get())) {
    if (::unlinkat(directory->get(), entry.c_str(), 0) != 0 && errno != ENOENT)
      return errno_error(errno, "remove " + name + "/" + entry, ErrorCode::storage_failed);
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return errno_error(errno, "remove directory " + name, ErrorCode::storage_failed);
  return {};
}

}  // namespace sandboxd::logholder
