// Times as this dialect tells them. Pure, but for the zone of this machine.
#pragma once

#include "base/time.hpp"

#include <string>

namespace sandboxd::orch::opensbx {

// "About a minute", "3 hours", "2 weeks": how Docker rounds.
[[nodiscard]] std::string human_duration(Duration duration);

// RFC 3339 with as many as nine digits behind the second, `offset_seconds` east of UTC; "Z" for none.
[[nodiscard]] std::string format_at_offset(WallTime at, int offset_seconds);
// The same in the zone of this machine.
[[nodiscard]] std::string format_local(WallTime at);

// Whole milliseconds since 1970.
[[nodiscard]] std::int64_t unix_millis(WallTime at);

// "2026-11-26 19:04" as `ls -l` writes it in UTC: "Nov 26 19:04", or "Nov 26  2025" when half a year away from `now`.
[[nodiscard]] std::string list_date(WallTime at, WallTime now);

}  // namespace sandboxd::orch::opensbx
