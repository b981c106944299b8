// Image references as users write them, in the one form under which containerd stores them. Pure.
#pragma once

#include "base/result.hpp"

#include <string>
#include <string_view>

namespace sandboxd::containerd {

// "alpine" -> "docker.io/library/alpine:latest"; "me/tool:1" -> "docker.io/me/tool:1"; "localhost/x",
// "127.0.0.1:5000/x" and "registry.example/x" keep their host; with a digest the tag is dropped, as CRI stores it. The
// first component is a host when it has a '.' or ':' or is "localhost" (Docker's rule). Errors: invalid_argument
// `invalid image reference "<text>": <why>`.
[[nodiscard]] Result<std::string> normalise_reference(std::string_view text);

}  // namespace sandboxd::containerd
