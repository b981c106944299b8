#include "orch/waits.hpp"

#include "base/assert.hpp"

namespace sandboxd::orch {

void Waits::begin(const Key& key, MonoTime since) {
  const auto [wait, is_new] = waits_.try_emplace(key, Wait{since});
  static_cast<void>(is_new);
  wait->second.is_over = false;
}

void Waits::end(const Key& key) {
  const auto wait = waits_.find(key);
  SBX_ASSERT(wait != waits_.end());
  wait->second.is_over = true;
  ended_.push_back(key);
}

MonoTime Waits::since(const Key& key) const {
  const auto wait = waits_.find(key);
  SBX_ASSERT(wait != waits_.end());
  return wait->second.since;
}

void Waits::end_turn() {
  for (const Key& key : ended_) {
    const auto wait = waits_.find(key);
    if (wait != waits_.end() && wait->second.is_over) waits_.erase(wait);
  }
  ended_.clear();
}

}  // namespace sandboxd::orch
