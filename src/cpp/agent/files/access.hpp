// Paths as they are asked for, and facts about files. Callers act as the user meanwhile (ActAs).
#pragma once

#include "agent/protocol.hpp"
#include "agent/system.hpp"
#include "agent/users.hpp"

#include <string>
#include <string_view>
#include <sys/stat.h>

namespace sandboxd::agent {

// Absolute; relative ones are below `cwd`.
[[nodiscard]] Problem place(std::string_view asked, std::string_view cwd, std::string& path);
// The folder of a path, and its last name. The path ends with no slash.
[[nodiscard]] std::string folder_of(const std::string& path);
[[nodiscard]] std::string name_of(const std::string& path);
[[nodiscard]] inline std::string join(const std::string& folder, std::string_view name) {
  return folder.empty() || folder.back() != '/' ? folder + "/" + std::string(name) : folder + std::string(name);
}

// `path` is what is told; a symbolic link's target is read at `real`.
[[nodiscard]] FileStatus describe(const struct stat& status, std::string path, const std::string& real,
                                  const Names& names);
// lstat or stat, and describe.
[[nodiscard]] Problem look(const std::string& real, std::string asked, bool follow, const Names& names,
                           FileStatus& found);

// Folders that are missing on the way to and with `folder`.
[[nodiscard]] Problem make_folders(const std::string& folder, mode_t mode);

// Opens what must be a regular file; special files are not even opened.
[[nodiscard]] Problem open_regular(const std::string& path, int flags, Fd& file, struct stat& status);
[[nodiscard]] Problem not_regular(const std::string& path, mode_t mode);

// 16 hexadecimal digits, drawn at random.
[[nodiscard]] std::string random_name();
[[nodiscard]] std::uint64_t random_number();

}  // namespace sandboxd::agent
