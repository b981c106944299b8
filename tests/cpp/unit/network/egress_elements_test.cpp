#include "network/egress_elements.hpp"

#include <gmock/gmock.h>

#include <random>
#include <string>

namespace sandboxd::network {
namespace {

using model::EgressEntry;
using model::PortRange;
using model::Protocol;
using ::testing::ElementsAre;

std::vector<std::string> shown(const std::vector<std::string>& texts) {
  std::vector<EgressEntry> entries;
  for (const std::string& text : texts) entries.push_back(model::parse_egress_entry(text).value());
  const EgressElements elements = egress_elements(entries);
  std::vector<std::string> out;
  for (const Cidr& range : elements.ranges) out.push_back(to_text(range));
  for (const PortElement& one : elements.ports) {
    out.push_back(to_text(one.range) + " " + std::string(model::to_string(one.protocol)) + " " +
                  std::to_string(one.ports.first) + "-" + std::to_string(one.ports.last));
  }
  return out;
}

TEST(EgressElements, PortsWithoutAProtocolAreBoth) {
  EXPECT_THAT(shown({"1.1.1.1:80", "1.1.1.1/udp"}), ElementsAre("1.1.1.1/32 tcp 80-80", "1.1.1.1/32 udp 0-65535"));
}

TEST(EgressElements, WhatAWiderRangeHasIsLeftToIt) {
  EXPECT_THAT(
      shown({"1.0.0.0/8:100-200/tcp", "1.2.0.0/16:150-300/tcp", "1.2.3.4:1-400/tcp", "1.2.3.4:120/tcp"}),
      ElementsAre("1.0.0.0/8 tcp 100-200", "1.2.0.0/16 tcp 201-300", "1.2.3.4/32 tcp 1-99", "1.2.3.4/32 tcp 301-400"));
}

TEST(EgressElements, TouchingPortsAreOneElementAndAllAddressesTwo) {
  EXPECT_THAT(shown({"0.0.0.0/0:80/tcp", "0.0.0.0/0:81-90/tcp", "0.0.0.0/0:85-95/tcp"}),
              ElementsAre("0.0.0.0/1 tcp 80-95", "128.0.0.0/1 tcp 80-95"));
}

struct Packet {
  Ipv4 address;
  Protocol protocol;
  int port;
};

bool asked_for(const std::vector<EgressEntry>& entries, const Packet& packet) {
  for (const EgressEntry& entry : entries) {
    const PortRange ports = entry.ports.value_or(PortRange{});
    if (entry.range.contains(packet.address) && entry.protocol.value_or(packet.protocol) == packet.protocol &&
        packet.port >= ports.first && packet.port <= ports.last)
      return true;
  }
  return false;
}

// How many elements match: the kernel's sets refuse what overlaps, so at most one of each kind may.
std::pair<int, int> matches(const EgressElements& elements, const Packet& packet) {
  std::pair<int, int> count;
  for (const Cidr& range : elements.ranges) count.first += range.contains(packet.address) ? 1 : 0;
  for (const PortElement& one : elements.ports) {
    const bool hit = one.range.contains(packet.address) && one.protocol == packet.protocol &&
                     packet.port >= one.ports.first && packet.port <= one.ports.last;
    count.second += hit ? 1 : 0;
  }
  return count;
}

TEST(EgressElements, OpenExactlyWhatWasAskedAndNeverOverlap) {
  std::mt19937 random(7);
  const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  for (int round = 0; round < 300; ++round) {
    std::vector<EgressEntry> entries;
    for (int i = 0; i < 6; ++i) {
      EgressEntry entry;
      entry.range =
          model::parse_cidr("1.2.3." + std::to_string(below(16)) + "/" + std::to_string(28 + below(5))).value();
      if (below(4) > 0) entry.ports = PortRange{1 + below(8), 8 + below(8)};
      if (below(2) > 0) entry.protocol = below(2) > 0 ? Protocol::tcp : Protocol::udp;
      entries.push_back(entry);
    }
    const EgressElements elements = egress_elements(entries);
    for (std::uint32_t last = 0; last < 16; ++last) {
      for (int port = 0; port < 20; ++port) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
          const Packet packet{{0x01020300u + last}, protocol, port};
          const auto [ranges, ports] = matches(elements, packet);
          ASSERT_EQ(ranges + ports > 0, asked_for(entries, packet));
          ASSERT_LE(ranges, 1);
          ASSERT_LE(ports, 1);
        }
      }
    }
  }
}

}  // namespace
}  // namespace sandboxd::network
