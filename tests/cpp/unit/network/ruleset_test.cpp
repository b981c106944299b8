#include "network/ruleset.hpp"

#include <gmock/gmock.h>

namespace sandboxd::network {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RulesetOptions options() {
  RulesetOptions options;
  options.table = "sandboxd_a";
  options.bridge = "sbx-bra";
  options.subnet = parse_cidr("203.0.113.0/24").value();
  options.resolvers = {"9.9.9.9"};
  return options;
}

TEST(Ruleset, ReplacesItsTablesInOneText) {
  const std::string text = ruleset_text(options());
  for (const char* family : {"inet", "bridge", "netdev"}) {
    const auto removed = text.find("delete table " + std::string(family) + " sandboxd_a\n");
    ASSERT_NE(removed, std::string::npos);
    EXPECT_NE(text.find("add table " + std::string(family) + " sandboxd_a\n", removed), std::string::npos);
  }
  EXPECT_THAT(text, Not(HasSubstr("%")));
}

TEST(Ruleset, NamesSubnetResolversAndMetadataAddress) {
  const std::string text = ruleset_text(options());
  EXPECT_THAT(text, HasSubstr("resolvers { 9.9.9.9 }"));
  EXPECT_THAT(text, HasSubstr("203.0.113.0/24"));  // a public subnet is closed to its own sandboxes too
  EXPECT_THAT(text, HasSubstr("169.254.0.0/16"));
  EXPECT_THAT(text, HasSubstr("ip saddr 203.0.113.0/24 oifname != \"sbx-bra\" masquerade"));
}

constexpr const char* kFilter = R"({"nftables":[{"metainfo":{}},{"table":{"family":"ip","name":"filter"}},
  {"chain":{"family":"ip","table":"filter","name":"FORWARD","handle":1}},
  {"chain":{"family":"ip","table":"filter","name":"DOCKER","handle":2}},
  {"rule":{"family":"ip","table":"filter","chain":"FORWARD","handle":7,"comment":"sandboxd_a","expr":[]}},
  {"rule":{"family":"ip","table":"filter","chain":"FORWARD","handle":8,"comment":"sandboxd_ab","expr":[]}},
  {"rule":{"family":"ip","table":"filter","chain":"FORWARD","handle":9,"expr":[]}}]})";

TEST(Ruleset, HooksReplaceOurOwnRulesInChainsThatExist) {
  EXPECT_EQ(hook_text(kFilter, {"FORWARD", "DOCKER-USER"}, "sandboxd_a", "sbx-bra"),
            "delete rule ip filter FORWARD handle 7\n"
            "insert rule ip filter FORWARD iifname \"sbx-bra\" accept comment \"sandboxd_a\"\n"
            "insert rule ip filter FORWARD oifname \"sbx-bra\" accept comment \"sandboxd_a\"\n");
}

TEST(Ruleset, HooksAreMissingWhenAChainLacksOneOfTheTwo) {
  const auto missing = [](std::string_view listing, const std::vector<std::string>& chains) {
    return missing_hook_text(listing, chains, "sandboxd_a", "sbx-bra");
  };
  EXPECT_EQ(missing(kFilter, {"FORWARD"}), hook_text(kFilter, {"FORWARD"}, "sandboxd_a", "sbx-bra"));
  std::string whole = kFilter;
  whole.insert(whole.rfind("]}"), R"(,{"rule":{"family":"ip","chain":"FORWARD","handle":10,"comment":"sandboxd_a"}})");
  EXPECT_EQ(missing(whole, {"FORWARD", "DOCKER-USER"}), "");
  EXPECT_THAT(missing(whole, {"FORWARD", "DOCKER"}), HasSubstr("insert rule ip filter DOCKER iifname"));
  EXPECT_EQ(missing("", {"FORWARD"}), "");
}

TEST(Ruleset, HooksWithoutChainsOnlyRemove) {
  EXPECT_EQ(hook_text(kFilter, {}, "sandboxd_a", "sbx-bra"), "delete rule ip filter FORWARD handle 7\n");
  EXPECT_EQ(hook_text("", {"FORWARD"}, "sandboxd_a", "sbx-bra"), "");
}

}  // namespace
}  // namespace sandboxd::network
