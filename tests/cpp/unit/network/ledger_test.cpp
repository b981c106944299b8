#include "network/ledger.hpp"

#include <gmock/gmock.h>

namespace sandboxd::network {
namespace {

using model::Protocol;
using model::PublishedPort;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// As nft 1.0.6 prints them.
constexpr const char* kInet = R"({"nftables":[{"metainfo":{}},
  {"map":{"name":"dnat_tcp","elem":[[8080,{"concat":["10.0.0.2",80]}],[8081,{"concat":["10.0.0.3",80]}]]}},
  {"map":{"name":"dnat_udp","elem":[[53,{"concat":["10.0.0.2",5300]}]]}},
  {"set":{"name":"egress_dns","elem":["10.0.0.2","10.0.0.3"]}},
  {"set":{"name":"egress_public","elem":["10.0.0.3"]}},
  {"set":{"name":"egress_allow","elem":[{"concat":["10.0.0.2",{"prefix":{"addr":"1.0.0.0","len":8}}]},
                                        {"concat":["10.0.0.2","9.9.9.9"]}]}},
  {"set":{"name":"egress_ports","elem":[{"concat":["10.0.0.2","8.8.8.8","tcp",443]},
      {"concat":["10.0.0.2",{"prefix":{"addr":"8.8.0.0","len":16}},"udp",{"range":[8000,8100]}]}]}}]})";
constexpr const char* kBridge = R"({"nftables":[
  {"set":{"name":"bound","elem":[{"elem":{"val":{"concat":["veth1","02:00:00:00:00:01","10.0.0.2"]},
                                          "comment":"sbxa-00000001"}}]}}]})";

model::EgressPolicy policy(model::EgressMode mode, std::vector<std::string> ranges = {}) {
  model::EgressPolicy made;
  made.mode = mode;
  made.allow_cidrs = std::move(ranges);
  return made;
}

TEST(Ledger, IsReadFromWhatTheKernelPrints) {
  Ledger ledger("t");
  ASSERT_TRUE(ledger.load(kInet, kBridge));
  const Binding* binding = ledger.binding("sbxa-00000001");
  ASSERT_NE(binding, nullptr);
  EXPECT_EQ(*binding, (Binding{"sbxa-00000001", "veth1", "02:00:00:00:00:01", "10.0.0.2"}));
  EXPECT_THAT(ledger.ports_of("10.0.0.2"),
              ElementsAre(PublishedPort{8080, 80, Protocol::tcp}, PublishedPort{53, 5300, Protocol::udp}));
  EXPECT_TRUE(ledger.policy("10.0.0.3").public_internet);
  EXPECT_EQ(ledger.policy("10.0.0.2").allow.ranges.size(), 2u);
  EXPECT_EQ(ledger.policy("10.0.0.2").allow.ports.size(), 2u);
  EXPECT_TRUE(ledger.policy("10.0.0.4").none());
}

TEST(Ledger, WithoutTablesIsEmptyAndNonsenseIsRefused) {
  Ledger ledger("t");
  EXPECT_TRUE(ledger.load("", ""));
  EXPECT_EQ(ledger.elements(), "");
  EXPECT_FALSE(ledger.load("{}", ""));
}

TEST(Ledger, WhatWasLoadedIsWrittenAgain) {
  Ledger ledger("t");
  ASSERT_TRUE(ledger.load(kInet, kBridge));
  const std::string text = ledger.elements();
  EXPECT_THAT(text, HasSubstr("add element inet t dnat_tcp { 8080 : 10.0.0.2 . 80 }"));
  EXPECT_THAT(text, HasSubstr("add element inet t published { 10.0.0.2 . udp . 5300 }"));
  EXPECT_THAT(text, HasSubstr("add element inet t egress_allow { 10.0.0.2 . 1.0.0.0/8, 10.0.0.2 . 9.9.9.9/32 }"));
  EXPECT_THAT(text, HasSubstr("add element inet t egress_ports { 10.0.0.2 . 8.8.0.0/16 . udp . 8000-8100, "
                              "10.0.0.2 . 8.8.8.8/32 . tcp . 443 }"));
  EXPECT_THAT(text, HasSubstr("comment \"sbxa-00000001\""));
}

TEST(Ledger, APolicyChangeTouchesOnlyTheDifference) {
  Ledger ledger("t");
  const auto first =
      ledger.set_egress("10.0.0.2", policy(model::EgressMode::allow_list, {"1.0.0.0/8", "2.0.0.0/8"})).value();
  EXPECT_THAT(first.batch, HasSubstr("add element inet t egress_dns { 10.0.0.2 }"));
  const auto second =
      ledger.set_egress("10.0.0.2", policy(model::EgressMode::allow_list, {"2.0.0.0/8", "3.0.0.0/8"})).value();
  EXPECT_EQ(second.batch,
            "delete element inet t egress_allow { 10.0.0.2 . 1.0.0.0/8 }\n"
            "add element inet t egress_allow { 10.0.0.2 . 3.0.0.0/8 }\n");
  second.undo();
  EXPECT_EQ(to_text(ledger.policy("10.0.0.2").allow.ranges[0]), "1.0.0.0/8");
  EXPECT_EQ(
      ledger.set_egress("10.0.0.2", policy(model::EgressMode::allow_list, {"1.0.0.0/8", "2.0.0.0/8"})).value().batch,
      "");
}

TEST(Ledger, WhatTheKernelPrintsIsWhatThePolicyMeant) {
  Ledger ledger("t");
  ASSERT_TRUE(ledger.load(kInet, kBridge));
  const std::vector<std::string> same = {"1.0.0.0/8", "9.9.9.9", "8.8.8.8:443/tcp", "8.8.0.0/16:8000-8100/udp"};
  EXPECT_EQ(ledger.set_egress("10.0.0.2", policy(model::EgressMode::allow_list, same)).value().batch, "");
  const auto refused = ledger.set_egress("10.0.0.2", policy(model::EgressMode::allow_list, {"8.8.8.8:x"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "egress entry \"8.8.8.8:x\": ports must be between 1 and 65535");
}

TEST(Ledger, AConflictChangesNothing) {
  Ledger ledger("t");
  ASSERT_TRUE(ledger.publish("10.0.0.2", {PublishedPort{80, 80, Protocol::tcp}}));
  const auto refused =
      ledger.publish("10.0.0.3", {PublishedPort{81, 80, Protocol::tcp}, PublishedPort{80, 80, Protocol::tcp}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "host port already in use: 80/tcp (published for sandbox address 10.0.0.2)");
  EXPECT_TRUE(ledger.ports_of("10.0.0.3").empty());
  EXPECT_EQ(ledger.publish("10.0.0.2", {PublishedPort{80, 80, Protocol::tcp}}).value().batch, "");
}

TEST(Ledger, OnePortInsideMayHaveSeveralOutside) {
  Ledger ledger("t");
  ASSERT_TRUE(ledger.publish("10.0.0.2", {PublishedPort{80, 80, Protocol::tcp}, PublishedPort{81, 80, Protocol::tcp}}));
  const auto change = ledger.unpublish("10.0.0.2");
  // Its element exists once, so it is deleted once.
  const auto at = change.batch.find("delete element inet t published");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(change.batch.find("delete element inet t published", at + 1), std::string::npos);
  change.undo();
  EXPECT_EQ(ledger.ports_of("10.0.0.2").size(), 2u);
}

TEST(Ledger, AMergedChangeIsUndoneWhole) {
  Ledger ledger("t");
  static_cast<void>(ledger.bind(Binding{"s", "v", "02:00:00:00:00:01", "10.0.0.2"}));
  ASSERT_TRUE(ledger.publish("10.0.0.2", {PublishedPort{80, 80, Protocol::tcp}}));
  const auto change = merged(ledger.unpublish("10.0.0.2"), ledger.unbind("s"));
  EXPECT_EQ(ledger.elements(), "");
  change.undo();
  EXPECT_THAT(ledger.elements(), HasSubstr("dnat_tcp"));
  EXPECT_NE(ledger.binding("s"), nullptr);
}

}  // namespace
}  // namespace sandboxd::network
