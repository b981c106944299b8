// Seeded randomness with the same sequence on every machine. Decisions take one by reference; nothing is global.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace sandboxd {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  [[nodiscard]] std::uint64_t next() { return engine_(); }
  // Uniform in [0, bound); `bound` must be positive. Rejection keeps it unbiased; the standard library's distributions
  // differ between implementations and are not used.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    std::uint64_t drawn = next();
    while (drawn >= limit) drawn = next();
    return drawn % bound;
  }
  // True in `permille` of 1000 cases.
  [[nodiscard]] bool chance(std::uint64_t permille) { return below(1000) < permille; }
  [[nodiscard]] std::string hex(std::size_t digits) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text(digits, '0');
    for (char& digit : text) digit = kDigits[below(16)];
    return text;
  }

 private:
  std::mt19937_64 engine_;  // its sequence is fixed by the C++ standard
};

// A seed from the operating system. For composition roots only; everything below takes a Random.
[[nodiscard]] std::uint64_t seed_from_system();

}  // namespace sandboxd
