// Small numbers for texts, so that comparing texts is comparing numbers. Counted: what nobody uses is forgotten, and
// its number is given out again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sandboxd::sched {

class Interner {
 public:
  static constexpr std::uint32_t kNone = 0;  // never given out

  std::uint32_t acquire(std::string_view text);
  void release(std::uint32_t number);
  // kNone when nobody uses the text.
  [[nodiscard]] std::uint32_t find(std::string_view text) const;
  [[nodiscard]] const std::string& text(std::uint32_t number) const { return entries_[number].text; }
  // All numbers given out are below this.
  [[nodiscard]] std::size_t limit() const { return entries_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  struct Entry {
    std::string text;
    std::uint64_t uses = 0;
  };

  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> numbers_;
  std::vector<Entry> entries_{Entry{}};
  std::vector<std::uint32_t> unused_;
};

}  // namespace sandboxd::sched
