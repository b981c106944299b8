// SHA-256, for names of contents: unpacked images, fingerprints of requests. Not for secrets. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sandboxd {

// Of what comes piece by piece.
class Sha256 {
 public:
  void add(std::string_view bytes);
  // Of all that was added, as 64 hex digits. Ends it: add() means nothing afterwards.
  [[nodiscard]] std::string hex();

 private:
  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_{};
  std::size_t filled_ = 0;  // of the block
  std::uint64_t bytes_ = 0;
};

// 64 hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace sandboxd
