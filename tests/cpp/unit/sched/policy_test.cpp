#include "sched/policy.hpp"

#include <gtest/gtest.h>

namespace sandboxd::sched {
namespace {

std::string problem(std::string_view text) {
  const auto policy = parse_policy(text);
  return policy ? "" : policy.error().message();
}

TEST(Policy, built_in_ones_are_valid_and_found_by_name) {
  for (const Policy& policy : built_in_policies()) {
    EXPECT_EQ(problems_of(policy), std::vector<std::string>()) << policy.name;
    EXPECT_EQ(parse_policy(policy.name).value(), policy);
  }
}

TEST(Policy, survives_a_round_trip_as_json) {
  for (const Policy& policy : built_in_policies()) EXPECT_EQ(parse_policy(policy_json(policy)).value(), policy);
  Policy own = parse_policy(R"( {"name":"own","scores":{"image":3,"balance":0},"rules":["ports","cpu"],
                                "domain_label":"rack","candidates":0})")
                   .value();
  EXPECT_EQ(own.weight(Score::image), 3);
  EXPECT_EQ(own.rules, (std::vector<Rule>{Rule::ports, Rule::cpu}));
  EXPECT_EQ(parse_policy(policy_json(own)).value(), own);
}

TEST(Policy, what_is_left_out_is_as_in_the_default) {
  EXPECT_EQ(parse_policy("{}").value().scores, built_in_policies().front().scores);
  EXPECT_EQ(parse_policy(R"({"scores":{"cpu_fill":1}})").value().scores.size(), 1U);
}

TEST(Policy, names_have_a_way_back) {
  for (const Score score : all_scores()) EXPECT_EQ(parse_score(to_string(score)), score);
  EXPECT_EQ(parse_rule(to_string(Rule::held)), Rule::held);
  EXPECT_EQ(parse_rule("luck"), std::nullopt);
}

TEST(Policy, says_what_is_wrong_and_what_is_known) {
  EXPECT_NE(problem("speed").find("neither a JSON object nor one of spread, pack, original"), std::string::npos);
  EXPECT_NE(problem("").find("neither"), std::string::npos);
  EXPECT_NE(problem(R"({"scores":)"), "");
  EXPECT_NE(problem(R"({"weights":{}})").find("unknown member \"weights\""), std::string::npos);
  EXPECT_NE(problem(R"({"scores":{"luck":1}})").find("unknown score \"luck\"; known are cpu_room"), std::string::npos);
  EXPECT_NE(problem(R"({"scores":{"image":-1}})").find("scores.image: a whole number from 0 to 1000"),
            std::string::npos);
  EXPECT_NE(problem(R"({"scores":{"image":1.5}})").find("scores.image"), std::string::npos);
  EXPECT_NE(problem(R"({"scores":{"image":0}})").find("at least one must have a weight"), std::string::npos);
  EXPECT_NE(problem(R"({"scores":[]})").find("an object"), std::string::npos);
  EXPECT_NE(problem(R"({"rules":["cpu","cpu"]})").find("twice"), std::string::npos);
  EXPECT_NE(problem(R"({"rules":[7]})").find("rules: 7 is none of not_ready"), std::string::npos);
  EXPECT_NE(problem(R"({"candidates":-1})").find("candidates"), std::string::npos);
  EXPECT_NE(problem(R"({"candidates":1e9})").find("candidates"), std::string::npos);
  EXPECT_NE(problem(R"({"name":7})").find("name: a string"), std::string::npos);
  EXPECT_NE(problem(R"({"scores":{"spread_domain":1},"domain_label":""})").find("domain_label"), std::string::npos);
}

}  // namespace
}  // namespace sandboxd::sched
