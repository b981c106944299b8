#include "sched/policy.hpp"

#include "codec/json.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace sandboxd::sched {
namespace {

constexpr int kWeightMax = 1000;
constexpr int kCandidatesMax = 10000;

constexpr std::array<std::pair<Rule, std::string_view>, 8> kRules{{{Rule::not_ready, "not_ready"},
                                                                   {Rule::cordoned, "cordoned"},
                                                                   {Rule::selector, "selector"},
                                                                   {Rule::cpu, "cpu"},
                                                                   {Rule::memory, "memory"},
                                                                   {Rule::disk, "disk"},
                                                                   {Rule::ports, "ports"},
                                                                   {Rule::held, "held"}}};

constexpr std::array<std::pair<Score, std::string_view>, 8> kScoreNames{{{Score::cpu_room, "cpu_room"},
                                                                         {Score::memory_room, "memory_room"},
                                                                         {Score::cpu_fill, "cpu_fill"},
                                                                         {Score::memory_fill, "memory_fill"},
                                                                         {Score::balance, "balance"},
                                                                         {Score::image, "image"},
                                                                         {Score::spread_node, "spread_node"},
                                                                         {Score::spread_domain, "spread_domain"}}};

constexpr std::array<Score, 8> kScores{Score::cpu_room, Score::memory_room, Score::cpu_fill,    Score::memory_fill,
                                       Score::balance,  Score::image,       Score::spread_node, Score::spread_domain};

template <class T, std::size_t N>
std::string_view name_in(const std::array<std::pair<T, std::string_view>, N>& names, T wanted) {
  const auto found = std::find_if(names.begin(), names.end(), [&](const auto& item) { return item.first == wanted; });
  return found == names.end() ? "unknown" : found->second;
}

template <class T, std::size_t N>
std::optional<T> find_in(const std::array<std::pair<T, std::string_view>, N>& names, std::string_view text) {
  const auto found = std::find_if(names.begin(), names.end(), [&](const auto& item) { return item.second == text; });
  return found == names.end() ? std::nullopt : std::optional(found->first);
}

template <class T, std::size_t N>
std::string list_of(const std::array<std::pair<T, std::string_view>, N>& names) {
  std::string text;
  for (const auto& [value, name] : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

std::string names_of_built_ins() {
  std::string text;
  for (const Policy& policy : built_in_policies()) text += (text.empty() ? "" : ", ") + policy.name;
  return text;
}

Error wrong(std::string text) { return {ErrorCode::invalid_argument, "scheduling policy: " + std::move(text)}; }

Result<void> read_scores(const codec::json::value& value, Policy& out) {
  if (!value.is_object()) return wrong("scores: an object of score and weight is expected");
  out.scores.clear();
  for (const auto& member : value.get_object()) {
    const std::string name(member.key());
    const auto score = parse_score(name);
    if (!score) return wrong("scores: unknown score \"" + name + "\"; known are " + list_of(kScoreNames));
    if (!member.value().is_int64() || member.value().get_int64() < 0 || member.value().get_int64() > kWeightMax)
      return wrong("scores." + name + ": a whole number from 0 to " + std::to_string(kWeightMax) + " is expected");
    out.scores.emplace_back(*score, static_cast<int>(member.value().get_int64()));
  }
  return {};
}

Result<void> read_rules(const codec::json::value& value, Policy& out) {
  if (!value.is_array()) return wrong("rules: a list of names is expected");
  out.rules.clear();
  for (const auto& item : value.get_array()) {
    const auto rule = item.is_string() ? parse_rule(std::string_view(item.get_string())) : std::nullopt;
    if (!rule) return wrong("rules: " + codec::write_json(item) + " is none of " + list_of(kRules));
    out.rules.push_back(*rule);
  }
  return {};
}

Result<void> read_member(std::string_view name, const codec::json::value& value, Policy& out) {
  if (name == "scores") return read_scores(value, out);
  if (name == "rules") return read_rules(value, out);
  if (name == "candidates") {
    if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > kCandidatesMax)
      return wrong("candidates: a whole number from 0 to " + std::to_string(kCandidatesMax) + " is expected");
    out.candidates = static_cast<int>(value.get_int64());
    return {};
  }
  if (name != "name" && name != "domain_label")
    return wrong("unknown member \"" + std::string(name) +
                 "\"; known are name, scores, rules, domain_label, candidates");
  if (!value.is_string()) return wrong(std::string(name) + ": a string is expected");
  (name == "name" ? out.name : out.domain_label) = std::string_view(value.get_string());
  return {};
}

}  // namespace

std::string_view to_string(Rule rule) { return name_in(kRules, rule); }
std::optional<Rule> parse_rule(std::string_view text) { return find_in(kRules, text); }
std::string_view to_string(Score score) { return name_in(kScoreNames, score); }
std::optional<Score> parse_score(std::string_view text) { return find_in(kScoreNames, text); }
std::span<const Score> all_scores() { return kScores; }

int Policy::weight(Score score) const {
  const auto found = std::find_if(scores.begin(), scores.end(), [&](const auto& item) { return item.first == score; });
  return found == scores.end() ? 0 : found->second;
}

std::vector<std::string> problems_of(const Policy& policy) {
  std::vector<std::string> problems;
  std::set<Score> scores;
  int weights = 0;
  for (const auto& [score, weight] : policy.scores) {
    const std::string name(to_string(score));
    if (!scores.insert(score).second) problems.push_back("scores: " + name + " stands there twice");
    if (weight < 0 || weight > kWeightMax)
      problems.push_back("scores." + name + ": " + std::to_string(weight) + " is not within 0 to " +
                         std::to_string(kWeightMax));
    weights += weight;
  }
  if (weights <= 0) problems.emplace_back("scores: at least one must have a weight above 0");
  std::set<Rule> rules;
  for (const Rule rule : policy.rules) {
    if (!rules.insert(rule).second)
      problems.push_back("rules: " + std::string(to_string(rule)) + " stands there twice");
  }
  if (policy.candidates < 0 || policy.candidates > kCandidatesMax)
    problems.push_back("candidates: must be within 0 (all) and " + std::to_string(kCandidatesMax));
  if (policy.weight(Score::spread_domain) > 0 && policy.domain_label.empty())
    problems.emplace_back("domain_label: must name a node label when spread_domain has a weight");
  return problems;
}

std::span<const Policy> built_in_policies() {
  static const std::array<Policy, 3> kPolicies{
      {{.name = "spread",
        .scores = {{Score::cpu_room, 4},
                   {Score::memory_room, 2},
                   {Score::balance, 1},
                   {Score::image, 1},
                   {Score::spread_node, 1},
                   {Score::spread_domain, 1}}},
       {.name = "pack", .scores = {{Score::cpu_fill, 4}, {Score::memory_fill, 2}, {Score::balance, 1}}},
       {.name = "original", .scores = {{Score::cpu_room, 1}}}}};
  return kPolicies;
}

Result<Policy> parse_policy(std::string_view text) {
  const auto policies = built_in_policies();
  const auto named = std::find_if(policies.begin(), policies.end(), [&](const Policy& p) { return p.name == text; });
  if (named != policies.end()) return *named;
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{')
    return wrong("\"" + std::string(text.substr(0, 80)) + "\" is neither a JSON object nor one of " +
                 names_of_built_ins());
  SBX_TRY(document, codec::read_json(text));
  Policy policy = policies.front();
  policy.name = "custom";
  for (const auto& member : document.get_object())
    SBX_CHECK(read_member(std::string_view(member.key()), member.value(), policy));
  const std::vector<std::string> problems = problems_of(policy);
  if (!problems.empty()) return wrong(problems.front());
  return policy;
}

std::string policy_json(const Policy& policy) {
  codec::json::object out;
  out["name"] = policy.name;
  codec::json::object& scores = out["scores"].emplace_object();
  for (const auto& [score, weight] : policy.scores) scores[to_string(score)] = weight;
  codec::json::array& rules = out["rules"].emplace_array();
  for (const Rule rule : policy.rules) rules.emplace_back(to_string(rule));
  out["domain_label"] = policy.domain_label;
  out["candidates"] = policy.candidates;
  return codec::write_json(out);
}

}  // namespace sandboxd::sched
