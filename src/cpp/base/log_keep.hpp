// How much of the hourly log files is kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd {

// The newest files are kept, the one that is being written included; 0: no limit.
struct LogKeep {
  std::int64_t files = 0;
  std::int64_t bytes = 0;
};

struct LogFileFacts {
  std::string name;
  std::int64_t bytes = 0;
};

// "<prefix>-YYYYMMDD-HH.log", and nothing else: what others put there is theirs.
[[nodiscard]] bool is_hourly_name(std::string_view name, std::string_view prefix);
// Those of `files` that are too many. `current` is never one of them.
[[nodiscard]] std::vector<std::string> superfluous_logs(std::vector<LogFileFacts> files, std::string_view current,
                                                        const LogKeep& keep);

}  // namespace sandboxd
