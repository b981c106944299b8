#include "containerd/users.hpp"

#include <charconv>
#include <fcntl.h>
#include <linux/openat2.h>
#include <optional>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sandboxd::containerd {

namespace {

constexpr std::size_t kFileBytesMax = 1024 * 1024;

std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return id;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text = text.substr(at + 1);
  }
}

struct PasswdEntry {
  std::string_view name;
  std::uint32_t uid;
  std::uint32_t gid;
  std::string_view home;
};

std::optional<PasswdEntry> find_passwd(std::string_view passwd, std::string_view name,
                                       std::optional<std::uint32_t> uid) {
  for (const std::string_view line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 6) continue;
    const auto line_uid = parse_id(fields[2]);
    const auto line_gid = parse_id(fields[3]);
    if (!line_uid || !line_gid) continue;
    if (fields[0] == name || (uid && *uid == *line_uid)) return PasswdEntry{fields[0], *line_uid, *line_gid, fields[5]};
  }
  return std::nullopt;
}

int open_beneath(int directory, const char* path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, directory, path, &how, sizeof how));
}

}  // namespace

bool needs_lookup(std::string_view user) {
  if (user.empty()) return false;
  const auto parts = split(user, ':');
  return parts.size() != 2 || !parse_id(parts[0]) || !parse_id(parts[1]);
}

Result<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd, std::string_view group) {
  ResolvedUser out;
  const auto parts = split(user.empty() ? std::string_view("0") : user, ':');
  if (parts.size() > 2 || parts[0].empty()) {
    return Error(ErrorCode::invalid_argument, "user \"" + std::string(user) + "\" is not of the form user[:group]");
  }
  const auto uid = parse_id(parts[0]);
  const auto entry = find_passwd(passwd, parts[0], uid);
  if (!uid && !entry) {
    return Error(ErrorCode::invalid_argument,
                 "user \"" + std::string(parts[0]) + "\" is not in the image's /etc/passwd");
  }
  out.uid = entry ? entry->uid : *uid;
  out.gid = entry ? entry->gid : 0;
  if (entry) out.home = entry->home;

  const bool group_given = parts.size() == 2 && !parts[1].empty();
  const auto given_gid = group_given ? parse_id(parts[1]) : std::nullopt;
  bool group_found = !group_given || given_gid.has_value();
  if (given_gid) out.gid = *given_gid;
  for (const std::string_view line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto gid = parse_id(fields[2]);
    if (!gid) continue;
    if (group_given && fields[0] == parts[1]) {
      out.gid = *gid;
      group_found = true;
    }
    if (group_given || !entry || *gid == out.gid) continue;
    for (const std::string_view member : split(fields[3], ',')) {
      if (member == entry->name) out.additional_gids.push_back(*gid);
    }
  }
  if (!group_found) {
    return Error(ErrorCode::invalid_argument,
                 "group \"" + std::string(parts[1]) + "\" is not in the image's /etc/group");
  }
  return out;
}

std::string read_from_layers(const std::vector<std::string>& layers, const std::string& path) {
  for (const std::string& layer : layers) {
    const int root = open(layer.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) continue;
    const int file = open_beneath(root, path.c_str(), O_RDONLY | O_NONBLOCK);
    struct stat info{};
    // Overlayfs marks a deleted name by a character device 0:0.
    const int name = file < 0 ? open_beneath(root, path.c_str(), O_PATH | O_NOFOLLOW) : -1;
    const bool whiteout = name >= 0 && fstat(name, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == 0;
    if (name >= 0) close(name);
    close(root);
    if (whiteout) return {};
    if (file < 0) continue;
    std::string text;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode)) {
      char buffer[16384];
      ssize_t got = 0;
      while (text.size() < kFileBytesMax && (got = read(file, buffer, sizeof buffer)) > 0) {
        text.append(buffer, static_cast<std::size_t>(got));
      }
    }
    close(file);
    return text;
  }
  return {};
}

}  // namespace sandboxd::containerd
