// "user", "uid", "user:group" of an image or a request, resolved in the image's own /etc/passwd and /etc/group.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::containerd {

struct ResolvedUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;
  std::string home;  // empty: unknown
};

// True when the text alone does not say it all: a name, or a uid whose group passwd knows.
[[nodiscard]] bool needs_lookup(std::string_view user);

// Pure. An empty text is root. Docker's rules: a uid that passwd does not have gets group 0; an explicit group means no
// supplementary groups. Errors: invalid_argument `user "<name>" is not in the image's /etc/passwd` (or the group).
[[nodiscard]] Result<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd, std::string_view group);

// A small file from an unmounted root file system, searched in its layers from the top (`layers` are host directories):
// never outside of them, whatever symbolic links say; a whiteout ends the search. Empty when there is none. Blocking.
[[nodiscard]] std::string read_from_layers(const std::vector<std::string>& layers, const std::string& path);

}  // namespace sandboxd::containerd
