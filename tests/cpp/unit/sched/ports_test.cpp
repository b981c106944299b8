#include "sched/ports.hpp"

#include "base/random.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

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

TEST(PortAllocator, gives_every_port_before_it_gives_one_again) {
  PortAllocator ports(range(100, 199), 7);
  std::set<int> seen;
  for (int n = 0; n < 100; ++n) {
    const std::vector<int> taken = take(ports, {0}, kStart);
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_TRUE(taken[0] >= 100 && taken[0] <= 199 && seen.insert(taken[0]).second) << taken[0];
    ports.release(taken[0], kStart, false);
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(PortAllocator, what_was_released_first_comes_back_first) {
  PortAllocator ports(range(10, 13), 7);
  const std::vector<int> all = take(ports, {0, 0, 0, 0}, kStart);
  EXPECT_EQ(ports.choose({0}, kStart), std::nullopt);
  for (const int n : {2, 0, 3}) ports.release(all[static_cast<std::size_t>(n)], kStart, false);
  EXPECT_EQ(take(ports, {0, 0}, kStart), (std::vector<int>{all[2], all[0]}));
}

TEST(PortAllocator, seeds_give_different_orders_and_choosing_twice_the_same) {
  PortAllocator one(range(10000, 32767), 0x123456789abcdefU);
  PortAllocator other(range(10000, 32767), 0xfedcba987654321U);
  const std::vector<int> five(5, 0);
  EXPECT_EQ(one.choose(five, kStart), one.choose(five, kStart));
  EXPECT_NE(one.choose(five, kStart), other.choose(five, kStart));
  const auto chosen = one.choose(five, kStart).value();
  for (std::size_t n = 1; n < chosen.size(); ++n) EXPECT_NE(chosen[n], chosen[n - 1] + 1);
}

// Named, any, released, in quarantine or not, against a plain set.
TEST(PortAllocator, never_gives_out_what_is_taken_and_always_finds_what_is_free) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    PortAllocator ports(range(50, 65), random.next());
    std::set<int> held;
    std::map<int, MonoTime> resting;
    MonoTime now = kStart;
    for (int n = 0; n < 500; ++n) {
      now = now + std::chrono::milliseconds(random.below(800));
      std::erase_if(resting, [&](const auto& item) { return item.second <= now; });
      if (random.chance(450) && !held.empty()) {
        const int port = *std::next(held.begin(), static_cast<std::ptrdiff_t>(random.below(held.size())));
        held.erase(port);
        const bool quarantine = random.chance(500);
        ports.release(port, now, quarantine);
        if (quarantine) resting[port] = now + std::chrono::seconds(5);
        continue;
      }
      std::vector<int> wanted(random.below(3), 0);
      if (random.chance(300)) wanted.push_back(static_cast<int>(45 + random.below(25)));
      int free = 16;
      for (int port = 50; port <= 65; ++port) free -= held.contains(port) || resting.contains(port) ? 1 : 0;
      bool possible = true;
      for (const int port : wanted) {
        possible = possible && !held.contains(port) && !resting.contains(port);
        if (port == 0 || (port >= 50 && port <= 65)) --free;
      }
      const auto chosen = ports.choose(wanted, now);
      ASSERT_EQ(chosen.has_value(), possible && free >= 0) << "seed " << seed << " step " << n;
      if (!chosen) continue;
      for (const int port : *chosen) {
        ASSERT_TRUE(!resting.contains(port) && held.insert(port).second) << port;
        ports.reserve(port);
      }
    }
  }
}

TEST(PortAllocator, released_ports_rest_in_quarantine) {
  PortAllocator ports(range(10, 10), 7);
  take(ports, {0}, kStart);
  ports.release(10, kStart, true);
  EXPECT_EQ(ports.free_count(), 0);
  EXPECT_EQ(ports.next_expiry(), kStart + std::chrono::seconds(5));
  EXPECT_EQ(ports.choose({0}, kStart + std::chrono::milliseconds(4999)), std::nullopt);
  EXPECT_EQ(take(ports, {0}, kStart + std::chrono::seconds(5)), std::vector<int>{10});
}

TEST(PortAllocator, reserving_ends_a_quarantine_for_good) {
  PortAllocator ports(range(10, 11), 7);
  take(ports, {0}, kStart);
  ports.release(10, kStart, true);
  EXPECT_TRUE(ports.reserve(10));
  EXPECT_FALSE(ports.reserve(10));
  ports.expire(kStart + std::chrono::seconds(60));
  EXPECT_TRUE(ports.is_taken(10));
}

TEST(PortAllocator, a_second_quarantine_lasts_its_full_time) {
  PortAllocator ports(range(10, 10), 7);
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
  PortAllocator ports(range(10, 11), 7);
  EXPECT_EQ(take(ports, {80, 0, 10}, kStart), (std::vector<int>{80, 11, 10}));
  EXPECT_FALSE(ports.can_choose({80}));
  EXPECT_FALSE(ports.can_choose({443, 443}));
  ports.release(80, kStart, false);
  EXPECT_TRUE(ports.can_choose({80}));
}

}  // namespace
}  // namespace sandboxd::sched
