// The node API's rules for a create request, in the original's order and words; the first failure wins.
//
// Used by the node before it accepts a create and by the control plane's node proxy before it forwards one. Pure.
#pragma once

#include "base/result.hpp"
#include "model/node_sandbox.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::codec::sbxlet {

// The id's own rules, which GET and DELETE of one sandbox apply too. Errors: invalid_argument.
[[nodiscard]] Result<void> validate_id(std::string_view id);

// Everything that is said about a request alone. An empty id is an error here: a node that draws ids does so before.
// The protocols' texts are those of `spec.ports`, entry by entry; beyond its end they are taken from `ports`.
// Errors: invalid_argument.
[[nodiscard]] Result<void> validate_create(const model::NodeCreateRequest& request);

// The part that the original checks only at admission: "container <c> resource parse failed: invalid cpu: <raw>".
// Errors: invalid_argument.
[[nodiscard]] Result<void> validate_resources(const model::NodeCreateRequest& request);

// The options of a tmpfs mount, parsed. Defaults are the original's.
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
