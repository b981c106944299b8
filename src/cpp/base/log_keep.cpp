#include "base/log_keep.hpp"

#include <algorithm>

namespace sandboxd {

bool is_hourly_name(std::string_view name, std::string_view prefix) {
  constexpr std::string_view kForm = "-00000000-00.log";
  if (name.size() != prefix.size() + kForm.size() || !name.starts_with(prefix)) return false;
  return std::ranges::equal(name.substr(prefix.size()), kForm,
                            [](char c, char form) { return form == '0' ? c >= '0' && c <= '9' : c == form; });
}

std::vector<std::string> superfluous_logs(std::vector<LogFileFacts> files, std::string_view current,
                                          const LogKeep& keep) {
  // Names are times. The current one comes first even when the clock went back and there are later ones.
  std::ranges::sort(files, [&](const LogFileFacts& a, const LogFileFacts& b) {
    if ((a.name == current) != (b.name == current)) return a.name == current;
    return a.name > b.name;
  });
  std::vector<std::string> out;
  std::int64_t count = 0;
  std::int64_t bytes = 0;
  for (LogFileFacts& file : files) {
    ++count;
    bytes += file.bytes;
    const bool is_too_much = (keep.files > 0 && count > keep.files) || (keep.bytes > 0 && bytes > keep.bytes);
    if (is_too_much && file.name != current) out.push_back(std::move(file.name));
  }
  return out;
}

}  // namespace sandboxd
