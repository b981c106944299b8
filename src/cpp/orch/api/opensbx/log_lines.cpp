#include "orch/api/opensbx/log_lines.hpp"

#include "codec/json.hpp"

namespace sandboxd::orch::opensbx {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

void LogLines::put(std::string_view data, bool is_line, std::string& out) const {
  codec::json::object line;
  line["type"] = type_;
  line["data"] = std::string(data) + (is_line ? "\n" : "");
  codec::append_json(line, out);
  out += '\n';
}

std::string LogLines::feed(std::string_view bytes) {
  std::string out;
  std::size_t begin = 0;
  std::size_t searched = held_.size();
  held_ += bytes;
  for (std::size_t end = 0; (end = held_.find('\n', searched)) != std::string::npos; begin = searched = end + 1) {
    std::string_view line = std::string_view(held_).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    put(line, true, out);
  }
  held_.erase(0, begin);
  if (held_.size() < kHeldBytesMax) return out;
  // Not in the middle of a character, and not between a CR and what may be its LF.
  std::size_t cut = held_.size() - 1;
  while (cut > 0 && is_continuation(held_[cut])) --cut;
  put(std::string_view(held_).substr(0, cut), false, out);
  held_.erase(0, cut);
  return out;
}

std::string LogLines::finish() {
  std::string out;
  std::string_view rest = held_;
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  if (!held_.empty()) put(rest, true, out);
  held_.clear();
  return out;
}

}  // namespace sandboxd::orch::opensbx
