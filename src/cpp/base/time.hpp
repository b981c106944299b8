// Times as values. Nothing here reads a clock: `now` is always passed in (ports/clock.hpp).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd {

using Duration = std::chrono::nanoseconds;

// A point on a clock that never jumps. Comparable only within one run of one process.
struct MonoTime {
  std::int64_t ns = 0;

  friend auto operator<=>(MonoTime, MonoTime) = default;
  friend MonoTime operator+(MonoTime at, Duration by) { return {at.ns + by.count()}; }
  friend Duration operator-(MonoTime a, MonoTime b) { return Duration(a.ns - b.ns); }
};

// Nanoseconds since 1970-01-01 UTC. May jump. Stored and shown, never used to measure.
struct WallTime {
  std::int64_t ns = 0;

  friend auto operator<=>(WallTime, WallTime) = default;
  friend WallTime operator+(WallTime at, Duration by) { return {at.ns + by.count()}; }
  friend Duration operator-(WallTime a, WallTime b) { return Duration(a.ns - b.ns); }
};

// RFC 3339 in UTC with 0 to 9 fractional digits, trailing zeros removed: "2026-01-02T03:04:05.12Z".
[[nodiscard]] std::string format_rfc3339(WallTime at);
// With exactly nine digits, as CRI log lines have.
[[nodiscard]] std::string format_rfc3339_fixed(WallTime at);
[[nodiscard]] std::optional<WallTime> parse_rfc3339(std::string_view text);

// Durations as Go writes them: "250ms", "10s", "1h30m", "1.5s". nullopt when malformed.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);

}  // namespace sandboxd
