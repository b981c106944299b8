// The last bytes of a stream while it is written. Every byte has a position, counted from 0. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace sandboxd::node {

class OutputRing {
 public:
  // `waits`: nothing goes that no reader has consumed; room() tells how much is taken then.
  OutputRing(std::int64_t keep, bool waits)
      : keep_(static_cast<std::uint64_t>(std::max<std::int64_t>(keep, 1))), waits_(waits) {}

  [[nodiscard]] std::uint64_t begin() const { return std::max(base_, end() - std::min(end(), keep_)); }
  [[nodiscard]] std::uint64_t end() const { return base_ + bytes_.size(); }
  [[nodiscard]] std::uint64_t room() const {
    if (!waits_) return keep_;
    const std::uint64_t held = end() - std::max(begin(), consumed_);
    return held < keep_ ? keep_ - held : 0;
  }
  // At most room() bytes. The oldest that are too many go.
  void append(std::string_view bytes) {
    bytes_ += bytes;
    if (bytes_.size() <= 2 * keep_) return;  // so that not every piece moves all of it
    const std::uint64_t first = begin();
    bytes_.erase(0, static_cast<std::size_t>(first - base_));
    base_ = first;
  }
  // Bytes from `position`, moved up to what is still there.
  [[nodiscard]] std::string_view read(std::uint64_t& position, std::size_t most) const {
    position = std::clamp(position, begin(), end());
    return std::string_view(bytes_).substr(static_cast<std::size_t>(position - base_), most);
  }
  void consume_to(std::uint64_t position) { consumed_ = std::max(consumed_, std::min(position, end())); }

 private:
  std::uint64_t keep_;
  bool waits_;
  std::string bytes_;
  std::uint64_t base_ = 0;  // position of the first byte in memory
  std::uint64_t consumed_ = 0;
};

}  // namespace sandboxd::node
