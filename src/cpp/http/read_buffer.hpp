// The bytes of a connection that were received and not yet used. One contiguous piece, as the parser wants it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace sandboxd::http {

class ReadBuffer {
 public:
  [[nodiscard]] std::string_view view() const { return {bytes_.data() + begin_, end_ - begin_}; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }

  // Room for `count` more bytes; what was received before stays. Fill it, then commit().
  [[nodiscard]] std::span<char> prepare(std::size_t count) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ + count > bytes_.size() && begin_ > 0) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ + count > bytes_.size()) bytes_.resize(end_ + count);
    return {bytes_.data() + end_, count};
  }
  void commit(std::size_t count) { end_ += count; }
  void consume(std::size_t count) { begin_ += std::min(count, size()); }

  // Gives memory back when more than `keep` bytes are held and none are used: idle connections are many.
  void shrink(std::size_t keep) {
    if (!empty() || bytes_.size() <= keep) return;
    begin_ = end_ = 0;
    std::vector<char>(keep).swap(bytes_);
  }

 private:
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sandboxd::http
