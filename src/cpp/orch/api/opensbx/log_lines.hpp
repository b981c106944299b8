// A command's output as the lines of a log stream. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sandboxd::orch::opensbx {

// One side's bytes to {"type", "data"} a line. What has no newline yet is held back, up to kHeldBytesMax: a longer line
// comes in several parts, of which the last alone ends with a newline. Pure.
class LogLines {
 public:
  static constexpr std::size_t kHeldBytesMax = 1 << 20;

  explicit LogLines(std::string_view type) : type_(type) {}
  // What is complete now, as JSON lines.
  [[nodiscard]] std::string feed(std::string_view bytes);
  // The rest.
  [[nodiscard]] std::string finish();

 private:
  void put(std::string_view data, bool is_line, std::string& out) const;

  std::string_view type_;  // "stdout" or "stderr"
  std::string held_;
};

}  // namespace sandboxd::orch::opensbx
