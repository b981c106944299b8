// SHA-256, for the names that containerd gives to unpacked images. Not for secrets. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sandboxd::containerd {

// 64 hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace sandboxd::containerd
