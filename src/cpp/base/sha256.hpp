// SHA-256, for names of contents: unpacked images, fingerprints of requests. Not for secrets. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sandboxd {

// 64 hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace sandboxd
