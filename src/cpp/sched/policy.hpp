// How the scheduler decides, as data: the order of its hard rules, and the weights of its soft ones.
//
//   {"name": "mine", "scores": {"cpu_room": 2, "image": 1}, "rules": ["selector", "cpu"],
//    "domain_label": "zone", "candidates": 32}
//
// Hard rules always hold; `rules` only says in which order they are asked, and so which reason a refusal gives. A
// node's score is the weighted mean of the policy's scores, each from 0 to 100.
#pragma once

#include "base/result.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxd::sched {

enum class Rule { not_ready, cordoned, selector, cpu, memory, disk, ports, held };
[[nodiscard]] std::string_view to_string(Rule rule);
[[nodiscard]] std::optional<Rule> parse_rule(std::string_view text);

enum class Score {
  cpu_room,       // per cent of the node's CPU that stays free
  memory_room,    // the same of its memory
  cpu_fill,       // the opposites: to fill a node before the next is begun
  memory_fill,    //
  balance,        // how alike the shares of CPU and memory in use are
  image,          // per cent of the request's images that the node has
  spread_node,    // 100 without a sandbox of the same group on the node, 50 with one, 33 with two, ...
  spread_domain,  // 100 in the failure domain with fewest sandboxes of the group, less the more another has than that
};
[[nodiscard]] std::string_view to_string(Score score);
[[nodiscard]] std::optional<Score> parse_score(std::string_view text);
[[nodiscard]] std::span<const Score> all_scores();

struct Policy {
  std::string name;
  std::vector<std::pair<Score, int>> scores;  // weights from 0 to 1000, at least one above 0
  std::vector<Rule> rules;                    // those not named follow in the order of the enumeration
  std::string domain_label = "zone";          // the node label whose values are failure domains
  // So many fitting nodes are compared, the most promising first; 0: all of them.
  int candidates = 16;

  [[nodiscard]] int weight(Score score) const;
  friend bool operator==(const Policy&, const Policy&) = default;
};

// Every problem, one sentence each. Empty: valid.
[[nodiscard]] std::vector<std::string> problems_of(const Policy& policy);

// "spread" (the default), "pack" and "original" (CPU alone, as the sandboxd-o orchestrator).
[[nodiscard]] std::span<const Policy> built_in_policies();

// The name of a built-in policy, or JSON. Errors: invalid_argument, naming what is wrong and what is known.
[[nodiscard]] Result<Policy> parse_policy(std::string_view text);
[[nodiscard]] std::string policy_json(const Policy& policy);

}  // namespace sandboxd::sched
