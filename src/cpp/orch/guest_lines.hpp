// Bytes in any pieces to lines. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::orch {

class LineSplitter {
 public:
  void feed(std::string_view bytes) {
    bytes_.erase(0, begin_);
    begin_ = 0;
    bytes_ += bytes;
  }
  // The next whole line, without its newline.
  [[nodiscard]] std::optional<std::string> take() {
    const std::size_t end = bytes_.find('\n', begin_);
    if (end == std::string::npos) return std::nullopt;
    std::string line = bytes_.substr(begin_, end - begin_);
    begin_ = end + 1;
    return line;
  }
  [[nodiscard]] bool is_too_long() const { return bytes_.size() - begin_ > kLineBytesMax; }

 private:
  static constexpr std::size_t kLineBytesMax = 16 * 1024 * 1024;

  std::string bytes_;
  std::size_t begin_ = 0;
};

}  // namespace sandboxd::orch
