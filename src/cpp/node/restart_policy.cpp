#include "node/restart_policy.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace sandboxd::node {
namespace {

constexpr Duration kPauseMin = std::chrono::milliseconds(100);
constexpr Duration kPauseMax = std::chrono::seconds(30);
constexpr Duration kLongLife = std::chrono::minutes(10);

}  // namespace

bool is_restarted(model::RestartPolicy policy, std::optional<int> exit_code) {
  switch (policy) {
    case model::RestartPolicy::never: return false;
    case model::RestartPolicy::on_failure: return exit_code != 0;
    case model::RestartPolicy::always: return true;
  }
  return false;
}

std::string next_life(const std::string& key) {
  const auto mark = key.rfind('r');
  std::uint64_t life = 0;
  if (mark != std::string::npos && mark > key.rfind('-')) {
    const auto [end, error] = std::from_chars(key.data() + mark + 1, key.data() + key.size(), life);
    if (error == std::errc() && end == key.data() + key.size())
      return key.substr(0, mark + 1) + std::to_string(life + 1);
  }
  return key + "r1";
}

Duration BackOff::next(MonoTime now) {
  const bool is_first = pause_ == Duration::zero() || now - started_ >= kLongLife;
  pause_ = is_first ? kPauseMin : std::min(pause_ * 2, kPauseMax);
  return pause_;
}

}  // namespace sandboxd::node
