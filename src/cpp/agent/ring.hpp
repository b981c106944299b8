// The last bytes of a stream. Every byte has a position, counted from 0. Memory is taken as bytes come, in chunks, and
// given back as they go.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string_view>

namespace sandboxd::agent {

class Ring {
 public:
  static constexpr std::size_t kChunkBytes = 60 * 1024;  // with its head less than a frame of data

  // `waits`: nothing goes that no reader has consumed; room() tells how much is taken then.
  Ring(std::uint64_t keep_bytes, bool waits) : keep_(std::max<std::uint64_t>(keep_bytes, 1)), waits_(waits) {}

  [[nodiscard]] std::uint64_t begin() const { return begin_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] std::uint64_t room() const {
    if (!waits_) return keep_;
    const std::uint64_t held = end_ - std::max(begin_, consumed_);
    return held < keep_ ? keep_ - held : 0;
  }
  // Where the next bytes may be put: as many as lie together, at most `most`.
  [[nodiscard]] std::span<char> space(std::uint64_t most) {
    const std::size_t used = static_cast<std::size_t>(end_ - base_) % kChunkBytes;
    if ((end_ - base_) / kChunkBytes >= chunks_.size()) chunks_.emplace_back(new Chunk);  // not zeroed
    return {chunks_.back()->data() + used, static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes - used, most))};
  }
  // So many were put there, at most room(). The oldest that are too many go.
  void commit(std::size_t size) {
    end_ += size;
    if (end_ - begin_ > keep_) drop_to(end_ - keep_);
  }
  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::span<char> place = space(bytes.size());
      std::memcpy(place.data(), bytes.data(), place.size());
      commit(place.size());
      bytes.remove_prefix(place.size());
    }
  }
  // Bytes from `position` (moved up to what is still there), as many as lie together, at most `most`.
  [[nodiscard]] std::string_view read(std::uint64_t& position, std::size_t most) const {
    position = std::clamp(position, begin_, end_);
    if (position == end_) return {};
    const auto offset = static_cast<std::size_t>(position - base_);
    const std::size_t inside = offset % kChunkBytes;
    const std::size_t there = std::min<std::uint64_t>(kChunkBytes - inside, end_ - position);
    return {chunks_[offset / kChunkBytes]->data() + inside, std::min(there, most)};
  }
  [[nodiscard]] std::size_t held_bytes() const { return chunks_.size() * kChunkBytes; }
  void consume_to(std::uint64_t position) { consumed_ = std::max(consumed_, std::min(position, end_)); }

 private:
  using Chunk = std::array<char, kChunkBytes>;
  void drop_to(std::uint64_t position) {
    begin_ = position;
    while (begin_ - base_ >= kChunkBytes) {
      chunks_.pop_front();
      base_ += kChunkBytes;
    }
  }
  std::uint64_t keep_;
  bool waits_;
  std::deque<std::unique_ptr<Chunk>> chunks_;
  std::uint64_t base_ = 0;  // position of the first chunk's first byte
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t consumed_ = 0;
};

}  // namespace sandboxd::agent
