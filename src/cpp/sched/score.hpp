// Soft rules: which of the possible nodes is best. Each is one function with whole points from 0 to 100; `Score` in
// policy.hpp says what each means.
#pragma once

#include "sched/policy.hpp"
#include "sched/row.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace sandboxd::sched {

inline constexpr int kScoreMax = 100;

[[nodiscard]] int cpu_room(const Row& node, const Ask& ask);
[[nodiscard]] int memory_room(const Row& node, const Ask& ask);
[[nodiscard]] int cpu_fill(const Row& node, const Ask& ask);
[[nodiscard]] int memory_fill(const Row& node, const Ask& ask);
[[nodiscard]] int balance(const Row& node, const Ask& ask);
[[nodiscard]] int image(const Row& node, const Ask& ask);
[[nodiscard]] int spread_node(const Row& node, const Ask& ask);
[[nodiscard]] int spread_domain(const Row& node, const Ask& ask);

[[nodiscard]] int points(Score score, const Row& node, const Ask& ask);

// The weights of a policy, ready for use.
class Scorer {
 public:
  explicit Scorer(const Policy& policy);

  // The weighted sum: finer than the mean, so it decides between nodes. Or -1, as soon as it is clear that it will be
  // below `least`.
  [[nodiscard]] int sum(const Row& node, const Ask& ask, int least = 0) const;
  // The weighted mean, from 0 to 100.
  [[nodiscard]] int mean(int sum) const { return sum / total_; }
  // What can be said of a node before anything is asked of it, from 0 to 100: the order in which nodes are looked at.
  [[nodiscard]] int promise(const Row& node) const;

 private:
  std::vector<std::pair<Score, int>> weights_;  // without those of 0; own_ come first, since they are cheap
  std::vector<std::pair<Score, int>> own_;      // the ones that depend on the node alone
  int total_ = 0;
  int own_total_ = 0;
};

}  // namespace sandboxd::sched
