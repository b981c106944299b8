// What happened, line by line: a hash of all of it, and the last lines.
#pragma once

#include "base/time.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace sandboxd::world {

class Trace {
 public:
  void add(MonoTime at, const std::string& line) {
    tail_.push_back(mix(at, line));
    if (tail_.size() > kTailMax) tail_.pop_front();
  }
  // Into the hash only, for what would flood the tail. Returns the line as it went in.
  std::string mix(MonoTime at, const std::string& line) {
    std::string text = std::to_string(at.ns / 1000) + "us " + line;
    for (const char c : text) {
      hash_ ^= static_cast<unsigned char>(c);
      hash_ *= 1099511628211ULL;  // FNV-1a: any change of any line changes it
    }
    return text;
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::vector<std::string> tail() const { return {tail_.begin(), tail_.end()}; }

 private:
  static constexpr std::size_t kTailMax = 200;
  std::uint64_t hash_ = 14695981039346656037ULL;
  std::deque<std::string> tail_;
};

}  // namespace sandboxd::world
