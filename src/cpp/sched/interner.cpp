#include "sched/interner.hpp"

#include "base/assert.hpp"

namespace sandboxd::sched {

std::uint32_t Interner::acquire(std::string_view text) {
  if (const std::uint32_t known = find(text); known != kNone) {
    ++entries_[known].uses;
    return known;
  }
  auto number = static_cast<std::uint32_t>(entries_.size());
  if (unused_.empty()) {
    entries_.emplace_back();
  } else {
    number = unused_.back();
    unused_.pop_back();
  }
  entries_[number] = {std::string(text), 1};
  numbers_.emplace(text, number);
  return number;
}

void Interner::release(std::uint32_t number) {
  Entry& entry = entries_[number];
  SBX_ASSERT(entry.uses > 0);
  if (--entry.uses > 0) return;
  numbers_.erase(entry.text);
  entry.text.clear();
  unused_.push_back(number);
}

std::uint32_t Interner::find(std::string_view text) const {
  const auto found = numbers_.find(text);
  return found == numbers_.end() ? kNone : found->second;
}

}  // namespace sandboxd::sched
