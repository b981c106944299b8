#include "contract/network/network_contract.hpp"

#include <optional>
#include <set>

namespace sandboxd::test {
namespace {

using model::Protocol;
using model::PublishedPort;

model::EgressPolicy policy_of(model::EgressMode mode, std::vector<std::string> ranges = {}) {
  model::EgressPolicy policy;
  policy.mode = mode;
  policy.allow_cidrs = std::move(ranges);
  return policy;
}

TEST_P(NetworkContract, ASlotHasItsOwnAddressInTheSubnet) {
  const auto first = make(1);
  const auto second = make(2);
  EXPECT_EQ(first.name, harness->slot_name(1));
  EXPECT_FALSE(first.namespace_path.empty());
  EXPECT_NE(first.ip, second.ip);
  const std::string subnet = network().subnet();
  EXPECT_EQ(first.ip.substr(0, 6), subnet.substr(0, 6));
  EXPECT_GT(network().usable_addresses(), 0);
  EXPECT_FALSE(network().bridge().empty());
}

TEST_P(NetworkContract, AListShowsWhatExists) {
  EXPECT_TRUE(call(network().list_slots()).value().empty());
  const auto slot = make(1);
  const auto listed = call(network().list_slots()).value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].name, slot.name);
  EXPECT_EQ(listed[0].namespace_path, slot.namespace_path);
  EXPECT_EQ(listed[0].ip, slot.ip);
  EXPECT_TRUE(call(network().destroy_slot(slot.name)));
  EXPECT_TRUE(call(network().list_slots()).value().empty());
}

TEST_P(NetworkContract, DestroyingIsIdempotent) {
  const auto slot = make(1);
  EXPECT_TRUE(call(network().destroy_slot(slot.name)));
  EXPECT_TRUE(call(network().destroy_slot(slot.name)));
  EXPECT_TRUE(call(network().destroy_slot(harness->slot_name(9))));
}

TEST_P(NetworkContract, ANameIsTakenOnce) {
  const auto slot = make(1);
  const auto again = call(network().make_slot(slot.name));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::already_exists);
  ASSERT_EQ(call(network().list_slots()).value().size(), 1u);
  EXPECT_TRUE(call(network().publish(slot, {PublishedPort{18080, 80, Protocol::tcp}})));
}

TEST_P(NetworkContract, ANameOfAnotherInstanceIsRefused) {
  for (const char* name : {"sbxother-00000001", "eth0", "../x", ""}) {
    const auto made = call(network().make_slot(name));
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code(), ErrorCode::invalid_argument) << name;
    EXPECT_FALSE(call(network().destroy_slot(name))) << name;
  }
}

TEST_P(NetworkContract, PublishingIsIdempotentForTheSameSlot) {
  const auto slot = make(1);
  const std::vector<PublishedPort> ports = {PublishedPort{18080, 80, Protocol::tcp},
                                            PublishedPort{18080, 5300, Protocol::udp}};
  EXPECT_TRUE(call(network().publish(slot, ports)));
  EXPECT_TRUE(call(network().publish(slot, ports)));
  EXPECT_TRUE(call(network().unpublish(slot)));
  EXPECT_TRUE(call(network().unpublish(slot)));
  EXPECT_TRUE(call(network().check_port_free(18080, Protocol::tcp)));
}

TEST_P(NetworkContract, APortHasOneOwner) {
  const auto first = make(1);
  const auto second = make(2);
  EXPECT_TRUE(call(network().publish(first, {PublishedPort{18080, 80, Protocol::tcp}})));
  const auto busy = call(network().check_port_free(18080, Protocol::tcp));
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code(), ErrorCode::resource_exhausted);
  EXPECT_EQ(busy.error().message(),
            "host port already in use: 18080/tcp (published for sandbox address " + first.ip + ")");

  // All or none: 18081 is not opened with the other refused.
  const auto refused = call(
      network().publish(second, {PublishedPort{18081, 80, Protocol::tcp}, PublishedPort{18080, 80, Protocol::tcp}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
  EXPECT_TRUE(call(network().check_port_free(18081, Protocol::tcp)));
  EXPECT_TRUE(call(network().check_port_free(18080, Protocol::udp)));

  EXPECT_TRUE(call(network().destroy_slot(first.name)));
  EXPECT_TRUE(call(network().publish(second, {PublishedPort{18080, 80, Protocol::tcp}})));
}

TEST_P(NetworkContract, APortOfAnotherProgramIsRefused) {
  const auto slot = make(1);
  harness->occupy(18090);
  const auto busy = call(network().check_port_free(18090, Protocol::tcp));
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code(), ErrorCode::conflict);
  EXPECT_EQ(busy.error().message(), "host port already in use: 18090/tcp (bind: Address already in use)");
  const auto refused = call(network().publish(slot, {PublishedPort{18090, 80, Protocol::tcp}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), busy.error());
}

TEST_P(NetworkContract, PoliciesReplaceEachOther) {
  const auto slot = make(1);
  EXPECT_TRUE(call(network().set_egress(slot, policy_of(model::EgressMode::public_internet))));
  EXPECT_TRUE(call(network().set_egress(slot, policy_of(model::EgressMode::public_internet))));
  EXPECT_TRUE(call(network().set_egress(slot, policy_of(model::EgressMode::allow_list, {"1.0.0.0/8", "1.2.3.4"}))));
  EXPECT_TRUE(call(network().set_egress(slot, policy_of(model::EgressMode::allow_list, {"1.2.0.0/16", "9.9.9.9"}))));
  EXPECT_TRUE(call(network().set_egress(
      slot, policy_of(model::EgressMode::allow_list, {"1.2.0.0/16:80-90", "1.2.3.4:1-85/tcp", "0.0.0.0/0/udp"}))));
  EXPECT_TRUE(call(network().set_egress(
      slot, policy_of(model::EgressMode::allow_list, {"1.2.3.4:1-200/tcp", "1.0.0.0/8:85", "1.2.3.4"}))));
  EXPECT_TRUE(call(network().set_egress(slot, policy_of(model::EgressMode::none))));
}

TEST_P(NetworkContract, AnEntryThatIsNoneIsRefusedAndChangesNothing) {
  const auto slot = make(1);
  for (const char* range : {"1.2.3.4/33", "::/0", "example.com", "", "1.2.3.4:0", "1.2.3.4:9-8", "1.2.3.4/icmp"}) {
    const auto refused = call(network().set_egress(slot, policy_of(model::EgressMode::allow_list, {range})));
    ASSERT_FALSE(refused) << range;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument) << range;
  }
}

TEST_P(NetworkContract, ASlotThatIsGoneTakesNoRules) {
  const auto slot = make(1);
  EXPECT_TRUE(call(network().destroy_slot(slot.name)));
  const auto egress = call(network().set_egress(slot, policy_of(model::EgressMode::public_internet)));
  ASSERT_FALSE(egress);
  EXPECT_EQ(egress.error().code(), ErrorCode::not_found);
  const auto published = call(network().publish(slot, {PublishedPort{18080, 80, Protocol::tcp}}));
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code(), ErrorCode::not_found);
  EXPECT_TRUE(call(network().unpublish(slot)));
}

TEST_P(NetworkContract, ARestartKeepsSlotsAndPorts) {
  const auto first = make(1);
  const auto second = make(2);
  EXPECT_TRUE(call(network().set_egress(
      first, policy_of(model::EgressMode::allow_list, {"1.0.0.0/8", "0.0.0.0/0", "0.0.0.0/0:7-9/tcp"}))));
  EXPECT_TRUE(call(network().publish(first, {PublishedPort{18080, 80, Protocol::tcp}})));
  harness->restart();
  const auto listed = call(network().list_slots()).value();
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].ip, first.ip);
  EXPECT_EQ(listed[1].ip, second.ip);
  EXPECT_FALSE(call(network().publish(second, {PublishedPort{18080, 80, Protocol::tcp}})));
  EXPECT_TRUE(call(network().publish(first, {PublishedPort{18080, 80, Protocol::tcp}})));
  EXPECT_TRUE(call(network().set_egress(first, policy_of(model::EgressMode::allow_list, {"0.0.0.0/0:8-10/tcp"}))));
  EXPECT_TRUE(call(network().set_egress(first, policy_of(model::EgressMode::none))));
  EXPECT_TRUE(call(network().unpublish(first)));
  EXPECT_TRUE(call(network().check_port_free(18080, Protocol::tcp)));
}

TEST_P(NetworkContract, StartingTwiceKeepsEverything) {
  const auto slot = make(1);
  EXPECT_TRUE(call(network().publish(slot, {PublishedPort{18080, 80, Protocol::tcp}})));
  EXPECT_TRUE(call(network().start()));
  EXPECT_FALSE(call(network().check_port_free(18080, Protocol::tcp)));
  EXPECT_EQ(call(network().list_slots()).value().size(), 1u);
}

TEST_P(NetworkContract, AFullSubnetSaysSoAndAnAddressComesBack) {
  std::vector<ports::NetworkSlot> slots;
  const auto room = static_cast<int>(network().usable_addresses());
  ASSERT_LE(room, 20) << "give the harness a small range";
  for (int number = 0; number < room; ++number) slots.push_back(make(number));
  const auto refused = call(network().make_slot(harness->slot_name(room)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::resource_exhausted);
  EXPECT_EQ(call(network().list_slots()).value().size(), slots.size()) << "a refused slot leaves nothing";
  EXPECT_TRUE(call(network().destroy_slot(slots[3].name)));
  EXPECT_EQ(make(room).ip, slots[3].ip);
}

}  // namespace
}  // namespace sandboxd::test
