#include "sched/score.hpp"

#include <cstdlib>

namespace sandboxd::sched {
namespace {

// A request may be as large as the type.
std::int64_t rest(std::int64_t free, std::int64_t wanted) { return free < wanted ? 0 : free - wanted; }

bool is_of_node_alone(Score score) {
  return score != Score::image && score != Score::spread_node && score != Score::spread_domain;
}

}  // namespace

int cpu_room(const Row& node, const Ask& ask) {
  return node.allocatable_cpu_milli.percent(rest(node.free_cpu_milli, ask.cpu_milli));
}

int memory_room(const Row& node, const Ask& ask) {
  return node.allocatable_memory_bytes.percent(rest(node.free_memory_bytes, ask.memory_bytes));
}

int cpu_fill(const Row& node, const Ask& ask) { return kScoreMax - cpu_room(node, ask); }
int memory_fill(const Row& node, const Ask& ask) { return kScoreMax - memory_room(node, ask); }

int balance(const Row& node, const Ask& ask) {
  return kScoreMax - std::abs(cpu_room(node, ask) - memory_room(node, ask));
}

int image(const Row& node, const Ask& ask) {
  if (ask.images.empty()) return kScoreMax;
  const auto there = std::count_if(ask.images.begin(), ask.images.end(), [&](std::uint32_t wanted) {
    return std::binary_search(node.images.begin(), node.images.end(), wanted);
  });
  return static_cast<int>(there) * kScoreMax / static_cast<int>(ask.images.size());
}

int spread_node(const Row& node, const Ask& ask) {
  if (ask.group == 0) return kScoreMax;
  return kScoreMax / static_cast<int>(1 + std::min<std::uint32_t>(count_of(node.groups, ask.group), kScoreMax));
}

int spread_domain(const Row& node, const Ask& ask) {
  if (ask.domains == nullptr || ask.domains_max == 0) return kScoreMax;
  const std::int64_t more = std::int64_t{count_of(*ask.domains, node.domain)} - ask.domains_min;
  return more <= 0 ? kScoreMax : static_cast<int>(kScoreMax - more * kScoreMax / ask.domains_max);
}

int points(Score score, const Row& node, const Ask& ask) {
  switch (score) {
    case Score::cpu_room: return cpu_room(node, ask);
    case Score::memory_room: return memory_room(node, ask);
    case Score::cpu_fill: return cpu_fill(node, ask);
    case Score::memory_fill: return memory_fill(node, ask);
    case Score::balance: return balance(node, ask);
    case Score::image: return image(node, ask);
    case Score::spread_node: return spread_node(node, ask);
    case Score::spread_domain: return spread_domain(node, ask);
  }
  return 0;
}

Scorer::Scorer(const Policy& policy) {
  for (const bool of_node_alone : {true, false}) {
    for (const auto& [score, weight] : policy.scores) {
      if (weight <= 0 || is_of_node_alone(score) != of_node_alone) continue;
      weights_.emplace_back(score, weight);
      total_ += weight;
      if (!of_node_alone) continue;
      own_.emplace_back(score, weight);
      own_total_ += weight;
    }
  }
  if (total_ == 0) total_ = 1;  // a policy that was not validated: every node is as good
}

int Scorer::sum(const Row& node, const Ask& ask, int least) const {
  int reachable = total_ * kScoreMax;
  for (const auto& [score, weight] : weights_) {
    reachable -= weight * (kScoreMax - points(score, node, ask));
    if (reachable < least) return -1;
  }
  return reachable;
}

int Scorer::promise(const Row& node) const {
  static const Ask kNothing;
  if (own_total_ == 0) return 0;
  int sum = 0;
  for (const auto& [score, weight] : own_) sum += weight * points(score, node, kNothing);
  return sum / own_total_;
}

void Whole::set(std::int64_t whole) {
  value_ = whole;
  shift_ = whole > INT64_MAX / kScoreMax ? 7 : 0;
  divisor_ = whole > 0 ? static_cast<std::uint64_t>(whole) >> shift_ : 1;
  inverse_ = UINT64_MAX / divisor_;
}

std::uint32_t count_of(const std::vector<Count>& counts, std::uint32_t key) {
  const auto at =
      std::lower_bound(counts.begin(), counts.end(), key, [](const Count& a, std::uint32_t b) { return a.key < b; });
  return at == counts.end() || at->key != key ? 0 : at->count;
}

void add_to(std::vector<Count>& counts, std::uint32_t key, std::int64_t by) {
  auto at =
      std::lower_bound(counts.begin(), counts.end(), key, [](const Count& a, std::uint32_t b) { return a.key < b; });
  if (at == counts.end() || at->key != key) at = counts.insert(at, {key, 0});
  at->count = static_cast<std::uint32_t>(std::max<std::int64_t>(0, static_cast<std::int64_t>(at->count) + by));
  if (at->count == 0) counts.erase(at);
}

}  // namespace sandboxd::sched
