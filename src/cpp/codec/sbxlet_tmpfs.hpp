// The option text of a tmpfs mount in the node API: "ro,size=64m,mode=0755".
//
// A list with commas of the flags ro rw nosuid suid nodev dev noexec exec (exact case) and of mode=<octal> and
// size=<n> (`:` separates too, the key's case does not matter). Sizes: an integer with ki mi gi ti kib mib gib tib
// (binary), k m g t kb mb gb tb (decimal) or b, in any case; else a Kubernetes quantity. So 64m are 64,000,000 bytes.
// Pure.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sandboxd::codec::sbxlet {

// Defaults are the original's.
struct TmpfsOptions {
  bool read_only = false;
  bool nosuid = true;
  bool nodev = true;
  bool noexec = false;
  std::string mode = "1777";    // octal digits
  std::int64_t size_bytes = 0;  // 0: not limited

  friend bool operator==(const TmpfsOptions&, const TmpfsOptions&) = default;
};

// Errors: invalid_argument `unsupported option "<o>"`, `invalid size "<v>"` and so on, without naming the mount.
[[nodiscard]] Result<TmpfsOptions> parse_tmpfs_options(std::string_view text);

}  // namespace sandboxd::codec::sbxlet
