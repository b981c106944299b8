#include "codec/log_window.hpp"

#include <charconv>
#include <string_view>

namespace sandboxd::codec {

Result<LogWindow> parse_log_window(const std::optional<std::string>& since, const std::optional<std::string>& tail,
                                   WallTime now) {
  LogWindow window;
  if (since && !since->empty()) {
    window.since = parse_rfc3339(*since);
    const auto ago = parse_duration(*since);
    if (!window.since && ago && *ago >= Duration::zero()) window.since = WallTime{now.ns - ago->count()};
    if (!window.since)
      return Error(ErrorCode::invalid_argument,
                   "since: must be a time such as 2026-01-02T15:04:05Z, or a duration such as 10m");
  }
  if (tail && !tail->empty()) {
    std::size_t count = 0;
    const auto parsed = std::from_chars(tail->data(), tail->data() + tail->size(), count);
    if (parsed.ec != std::errc() || parsed.ptr != tail->data() + tail->size())
      return Error(ErrorCode::invalid_argument, "tail: must be a whole number of lines, such as 100");
    window.tail = count;
  }
  return window;
}

void keep_since(WallTime since, std::vector<std::string>& lines) {
  std::erase_if(lines, [since](const std::string& line) {
    const auto time = parse_rfc3339(std::string_view(line).substr(0, line.find(' ')));
    return time && *time < since;
  });
}

void keep_last(std::size_t count, std::vector<std::string>& lines) {
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
}

}  // namespace sandboxd::codec
