#include "sched/ports.hpp"

#include <gtest/gtest.h>

namespace sandboxd::sched {
namespace {

constexpr MonoTime kStart{1'000'000'000};

PortRange range(int first, int last) {
  PortRange out;
  out.first = first;
  out.last = last;
  out.quarantine = std::chrono::seconds(5);
  return out;
}

std::vector<int> take(PortAllocator& ports, const std::vector<int>& wanted, MonoTime now) {
  const auto chosen = ports.choose(wanted, now);
  if (!chosen) return {};
  for (const int port : *chosen) ports.reserve(port);
  return *chosen;
}

TEST(PortAllocator, walks_through_the_range_before_it_reuses) {
  PortAllocator ports(range(10, 12));
  EXPECT_EQ(take(ports, {0}, kStart), std::vector<int>{10});
  ports.release(10, kStart, false);
  EXPECT_EQ(take(ports, {0, 0}, kStart), (std::vector<int>{11, 12}));
  EXPECT_EQ(take(ports, {0}, kStart), std::vector<int>{10});
  EXPECT_EQ(ports.choose({0}, kStart), std::nullopt);
}

TEST(PortAllocator, released_ports_rest_in_quarantine) {
  PortAllocator ports(range(10, 10));
  take(ports, {0}, kStart);
  ports.release(10, kStart, true);
  EXPECT_EQ(ports.free_count(), 0);
  EXPECT_EQ(ports.next_expiry(), kStart + std::chrono::seconds(5));
  EXPECT_EQ(ports.choose({0}, kStart + std::chrono::milliseconds(4999)), std::nullopt);
  EXPECT_EQ(take(ports, {0}, kStart + std::chrono::seconds(5)), std::vector<int>{10});
}

TEST(PortAllocator, reserving_ends_a_quarantine_for_good) {
  PortAllocator ports(range(10, 11));
  take(ports, {0}, kStart);
  ports.release(10, kStart, true);
  EXPECT_TRUE(ports.reserve(10));
  EXPECT_FALSE(ports.reserve(10));
  ports.expire(kStart + std::chrono::seconds(60));
  EXPECT_TRUE(ports.is_taken(10));
}

TEST(PortAllocator, a_second_quarantine_lasts_its_full_time) {
  PortAllocator ports(range(10, 10));
  take(ports, {0}, kStart);
  ports.release(10, kStart, true);
  ports.reserve(10);
  ports.release(10, kStart + std::chrono::seconds(4), true);
  ports.expire(kStart + std::chrono::seconds(6));
  EXPECT_TRUE(ports.is_taken(10));
  ports.expire(kStart + std::chrono::seconds(9));
  EXPECT_FALSE(ports.is_taken(10));
}

TEST(PortAllocator, named_ports_are_given_or_refused_and_may_lie_outside) {
  PortAllocator ports(range(10, 11));
  EXPECT_EQ(take(ports, {80, 0, 10}, kStart), (std::vector<int>{80, 11, 10}));
  EXPECT_FALSE(ports.can_choose({80}));
  EXPECT_FALSE(ports.can_choose({443, 443}));
  ports.release(80, kStart, false);
  EXPECT_TRUE(ports.can_choose({80}));
}

}  // namespace
}  // namespace sandboxd::sched
