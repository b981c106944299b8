#include "sched/score.hpp"

#include <algorithm>
#include <array>

namespace sandboxd::sched {
namespace {

// Rounded down to a whole per cent; 128 bits, because bytes times a hundred may not fit in 64.
int percent(std::int64_t part, std::int64_t whole) {
  if (whole <= 0 || part <= 0) return 0;
  if (part >= whole) return kScoreMax;
  return static_cast<int>(static_cast<__int128>(part) * kScoreMax / whole);
}

int cpu_room(const NodeView& node) { return percent(node.free_cpu_milli, node.allocatable_cpu_milli); }
int memory_room(const NodeView& node) { return percent(node.free_memory_bytes, node.allocatable_memory_bytes); }

struct Weighted {
  int weight;
  int (*score)(const NodeView&);
};

constexpr std::array<Weighted, 2> kScores{{{2, cpu_room}, {1, memory_room}}};

}  // namespace

int score(const NodeView& node) {
  int sum = 0;
  int weights = 0;
  for (const Weighted& part : kScores) {
    sum += part.weight * part.score(node);
    weights += part.weight;
  }
  return sum / weights;
}

}  // namespace sandboxd::sched
