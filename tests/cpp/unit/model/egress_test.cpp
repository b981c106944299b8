#include "model/egress.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sandboxd::model {
namespace {

std::string shown(std::string_view text) {
  const auto entry = parse_egress_entry(text);
  if (!entry) return entry.error().message();
  std::string out = to_text(entry->range);
  if (entry->ports) out += " " + std::to_string(entry->ports->first) + "-" + std::to_string(entry->ports->last);
  if (entry->protocol) out += " " + std::string(to_string(*entry->protocol));
  return out;
}

TEST(EgressEntry, EveryFormIsUnderstood) {
  EXPECT_EQ(shown("203.0.113.0/24"), "203.0.113.0/24");
  EXPECT_EQ(shown("203.0.113.7"), "203.0.113.7/32");
  EXPECT_EQ(shown("198.51.100.7/32:443/tcp"), "198.51.100.7/32 443-443 tcp");
  EXPECT_EQ(shown("198.51.100.0/24:8000-8100"), "198.51.100.0/24 8000-8100");
  EXPECT_EQ(shown("198.51.100.9:53/udp"), "198.51.100.9/32 53-53 udp");
  EXPECT_EQ(shown("198.51.100.0/24/udp"), "198.51.100.0/24 udp");
  EXPECT_EQ(shown("0.0.0.0/0:1-65535"), "0.0.0.0/0 1-65535");
}

TEST(EgressEntry, WhatIsNoneSaysWhy) {
  for (const char* text : {"", "example.com", "::/0", "2001:db8::1", "1.2.3.4/33", "1.2.3.4/24/sctp", "1.2.3.4 ",
                           "/tcp", ":80", "1.2.3.4:80:90", "1.2.3.4/TCP"})
    EXPECT_TRUE(shown(text).starts_with("must be CIDR[:PORT[-PORT]][/tcp|/udp]")) << text << " " << shown(text);
  for (const char* text : {"1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:http", "1.2.3.4:1-", "1.2.3.4:-1",
                           "1.2.3.4:080", "1.2.3.4:1-2-3", "1.2.3.4:80/sctp"})
    EXPECT_EQ(shown(text), "ports must be between 1 and 65535") << text;
  EXPECT_EQ(shown("1.2.3.4:90-80"), "the first port must not be above the last");
}

std::string verdict(const EgressPolicy& policy) {
  const auto valid = validate_egress(policy, {"mode", "list", "rate"});
  return valid ? "" : valid.error().message();
}

TEST(EgressPolicy, ProblemsNameFieldAndEntry) {
  EgressPolicy policy;
  EXPECT_EQ(verdict(policy), "");
  policy.allow_cidrs = {"203.0.113.0/24"};
  EXPECT_EQ(verdict(policy), "list needs mode allow_list");
  policy.mode = EgressMode::public_internet;
  EXPECT_EQ(verdict(policy), "list needs mode allow_list");
  policy.mode = EgressMode::allow_list;
  EXPECT_EQ(verdict(policy), "");
  policy.allow_cidrs.emplace_back("1.2.3.4:x");
  EXPECT_EQ(verdict(policy), "list[1] \"1.2.3.4:x\": ports must be between 1 and 65535");
  policy.allow_cidrs.assign(kEgressEntriesMax, "203.0.113.0/24");
  EXPECT_EQ(verdict(policy), "");
  policy.allow_cidrs.emplace_back("203.0.113.0/24");
  EXPECT_EQ(verdict(policy), "list must have at most 64 entries");
}

TEST(EgressPolicy, BlockedRangesAreRefusedAsEntries) {
  EgressPolicy policy;
  policy.mode = EgressMode::allow_list;
  for (const char* text :
       {"10.0.0.0/8", "10.1.2.3:80", "192.168.0.0/24/tcp", "169.254.169.254", "127.0.0.1", "224.0.0.1"}) {
    policy.allow_cidrs = {text};
    EXPECT_NE(verdict(policy).find("stay blocked in every mode"), std::string::npos) << text;
  }
  policy.allow_cidrs = {"0.0.0.0/0:443", "172.0.0.0/8"};  // wider than what is blocked in them
  EXPECT_EQ(verdict(policy), "");
}

TEST(EgressPolicy, BandwidthIsNothingOrUsable) {
  EgressPolicy policy;
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{1}, kBandwidthMin - 1}) {
    policy.bandwidth_bits_per_second = bad;
    EXPECT_EQ(verdict(policy), "rate must be 0 (unlimited) or at least 64000") << bad;
  }
  policy.bandwidth_bits_per_second = kBandwidthMin;
  EXPECT_EQ(verdict(policy), "");
}

}  // namespace
}  // namespace sandboxd::model
