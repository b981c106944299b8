#include "network/address.hpp"

#include "network/namespaces.hpp"

#include <gmock/gmock.h>

namespace sandboxd::network {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> shown(std::vector<std::string> texts) {
  std::vector<Cidr> ranges;
  for (const std::string& text : texts) ranges.push_back(parse_cidr(text).value());
  std::vector<std::string> out;
  for (const Cidr& range : normalised(ranges)) out.push_back(to_text(range));
  return out;
}

TEST(Address, OnlyDottedQuadsAreAddresses) {
  EXPECT_EQ(to_text(parse_ipv4("10.89.0.255").value()), "10.89.0.255");
  for (const char* text :
       {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", "::1", "a.b.c.d"})
    EXPECT_FALSE(parse_ipv4(text)) << text;
}

TEST(Address, RangesLoseTheirHostBits) {
  EXPECT_EQ(to_text(parse_cidr("10.89.3.4/16").value()), "10.89.0.0/16");
  EXPECT_EQ(to_text(parse_cidr("8.8.8.8").value()), "8.8.8.8/32");
  EXPECT_EQ(to_text(parse_cidr("1.2.3.4/0").value()), "0.0.0.0/0");
  for (const char* text : {"", "/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0/8"})
    EXPECT_FALSE(parse_cidr(text)) << text;
}

TEST(Address, OverlapIsContainmentEitherWay) {
  const Cidr wide = parse_cidr("10.0.0.0/8").value();
  const Cidr narrow = parse_cidr("10.89.0.0/16").value();
  const Cidr other = parse_cidr("11.0.0.0/8").value();
  EXPECT_TRUE(wide.overlaps(narrow));
  EXPECT_TRUE(narrow.overlaps(wide));
  EXPECT_FALSE(wide.overlaps(other));
  EXPECT_FALSE(narrow.contains(wide));
  EXPECT_EQ(narrow.size(), 65536);
}

TEST(Address, NormalisedRangesDoNotOverlap) {
  EXPECT_THAT(shown({"8.8.8.0/24", "8.8.0.0/16", "1.1.1.1", "8.8.0.0/16"}), ElementsAre("1.1.1.1/32", "8.8.0.0/16"));
  EXPECT_THAT(shown({"9.9.9.9", "0.0.0.0/0"}), ElementsAre("0.0.0.0/1", "128.0.0.0/1"));
}

TEST(Address, NameServersAreReadWithoutLoopback) {
  EXPECT_THAT(parse_dns_servers("# x\nsearch a\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver fd00::1\n"
                                "nameserver\t9.9.9.9 # y\nnameserver 10.0.0.2\n"),
              ElementsAre("10.0.0.2", "9.9.9.9"));
}

TEST(Address, ASlotsNameBelongsToOneInstance) {
  EXPECT_TRUE(is_slot_name("sbxa-0123abcd", "sbxa-"));
  for (const char* name :
       {"sbxab-0123abcd", "sbxa-0123abc", "sbxa-0123abcde", "sbxa-0123ABCD", "sbxa-0123abc.", "sbxa-"})
    EXPECT_FALSE(is_slot_name(name, "sbxa-")) << name;
}

}  // namespace
}  // namespace sandboxd::network
