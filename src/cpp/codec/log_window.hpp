// The part of a container log that somebody asks for. Pure; lines are those of cri_log.hpp.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::codec {

struct LogWindow {
  std::optional<WallTime> since;    // lines from then on; those that carry no time stay
  std::optional<std::size_t> tail;  // of them the last so many

  friend bool operator==(const LogWindow&, const LogWindow&) = default;
};

// `since` is a time as RFC 3339 has it, or a duration before `now` such as "10m"; `tail` a whole number. Errors:
// invalid_argument, which names the parameter.
[[nodiscard]] Result<LogWindow> parse_log_window(const std::optional<std::string>& since,
                                                 const std::optional<std::string>& tail, WallTime now);

void keep_since(WallTime since, std::vector<std::string>& lines);
void keep_last(std::size_t count, std::vector<std::string>& lines);

}  // namespace sandboxd::codec
