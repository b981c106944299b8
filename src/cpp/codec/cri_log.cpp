#include "codec/cri_log.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::codec {
namespace {

struct TimedLine {
  WallTime time;
  std::size_t order = 0;
  std::string text;
};

}  // namespace

void CriFormatter::append(std::string_view text, char tag, const std::string& time, std::string& out) const {
  out += time;
  out += ' ';
  out += stream_;
  out += ' ';
  out += tag;
  out += ' ';
  out += text;
  out += '\n';
}

void CriFormatter::feed(std::string_view bytes, WallTime now, std::string& out) {
  const std::string time = format_rfc3339_fixed(now);
  while (!bytes.empty()) {
    const std::size_t room = kCriPieceBytesMax - pending_.size();
    // One byte more than a piece may be looked at: a line of exactly the limit is one full line.
    const std::size_t end = bytes.substr(0, room + 1).find('\n');
    if (end != std::string_view::npos) {
      if (pending_.empty()) {
        append(bytes.substr(0, end), 'F', time, out);
      } else {
        pending_ += bytes.substr(0, end);
        append(pending_, 'F', time, out);
        pending_.clear();
      }
      bytes.remove_prefix(end + 1);
      continue;
    }
    const std::size_t taken = std::min(room, bytes.size());
    const bool more = bytes.size() > taken;
    pending_ += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    if (!more) return;
    append(pending_, 'P', time, out);
    pending_.clear();
  }
}

void CriFormatter::flush(WallTime now, std::string& out) {
  if (pending_.empty()) return;
  append(pending_, 'F', format_rfc3339_fixed(now), out);
  pending_.clear();
}

std::vector<std::string> split_lines(std::string_view content) {
  std::vector<std::string> lines;
  while (!content.empty()) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = content.substr(0, end);
    while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.emplace_back(line);
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return lines;
}

std::vector<std::string> merge_lines(std::vector<ContainerLines> containers) {
  std::sort(containers.begin(), containers.end(),
            [](const auto& a, const auto& b) { return a.container < b.container; });
  std::vector<TimedLine> timed;
  std::vector<std::string> untimed;
  for (ContainerLines& from : containers) {
    const std::string prefix = "[" + from.container + "] ";
    for (const std::string& line : from.lines) {
      const auto time = parse_rfc3339(std::string_view(line).substr(0, line.find(' ')));
      if (time) {
        timed.push_back({*time, timed.size(), prefix + line});
      } else {
        untimed.push_back(prefix + line);
      }
    }
  }
  std::sort(timed.begin(), timed.end(), [](const TimedLine& a, const TimedLine& b) {
    return std::pair(a.time, a.order) < std::pair(b.time, b.order);
  });
  std::vector<std::string> merged;
  merged.reserve(timed.size() + untimed.size());
  for (auto& line : timed) merged.push_back(std::move(line.text));
  for (auto& line : untimed) merged.push_back(std::move(line));
  return merged;
}

}  // namespace sandboxd::codec
