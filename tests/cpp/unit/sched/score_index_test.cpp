#include "sched/score_index.hpp"

#include "base/random.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace sandboxd::sched {
namespace {

constexpr std::int64_t kGib = std::int64_t{1} << 30;

TEST(Shelves, a_request_looks_on_every_shelf_where_it_may_fit) {
  Random random(1);
  for (int n = 0; n < 20000; ++n) {
    const auto amount = [&](std::int64_t most) {
      return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most) >> random.below(20))) - 5;
    };
    const std::int64_t cpu = amount(std::int64_t{1} << 20);
    const std::int64_t memory = amount(64 * kGib);
    const std::int64_t more_cpu = cpu + std::max<std::int64_t>(0, amount(std::int64_t{1} << 20));
    const std::int64_t more_memory = memory + std::max<std::int64_t>(0, amount(64 * kGib));
    const Shelves shelves = shelves_for(cpu, memory, random.chance(500));
    ASSERT_TRUE(shelves >> shelf_of(more_cpu, more_memory, true) & 1) << cpu << " " << memory;
  }
}

TEST(Shelves, what_is_far_too_full_is_skipped) {
  EXPECT_FALSE(shelves_for(1000, kGib, false) >> shelf_of(400, 8 * kGib, true) & 1);
  EXPECT_FALSE(shelves_for(1000, kGib, false) >> shelf_of(64000, kGib / 4, true) & 1);
  EXPECT_FALSE(shelves_for(0, 0, true) >> shelf_of(64000, 8 * kGib, false) & 1);
  EXPECT_TRUE(shelves_for(0, 0, false) >> shelf_of(-7, -7, false) & 1);
}

TEST(ScoreIndex, walks_in_falling_promise_and_in_turn_within_a_cell) {
  ScoreIndex index;
  for (Slot slot = 0; slot < 100; ++slot) index.add(slot, cell_of(static_cast<int>(slot % 4), 63));
  std::vector<Slot> seen;
  index.walk(~Shelves{0}, [&](Slot slot) {
    seen.push_back(slot);
    return seen.size() < 30;
  });
  ASSERT_EQ(seen.size(), 30U);
  EXPECT_EQ(seen[0], 3U);
  EXPECT_EQ(seen[1], 7U);
  EXPECT_EQ(seen[24], 99U);
  EXPECT_EQ(seen[25], 2U);
}

// Against a plain map, over the sizes at which cells come and go.
TEST(ScoreIndex, holds_what_was_put_into_it) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    ScoreIndex index;
    std::map<Slot, std::pair<ScoreIndex::Member, Cell>> held;
    const auto any_cell = [&] {
      return random.chance(100) ? kNoCell
                                : cell_of(static_cast<int>(random.below(101)), static_cast<int>(random.below(64)));
    };
    bool was_ordered = false;
    bool was_small_again = false;
    for (int n = 0; n < 2000; ++n) {
      const bool grows = n / 400 % 2 == 0;
      const Slot slot = static_cast<Slot>(random.below(90));
      const auto found = held.find(slot);
      if (found == held.end()) {
        if (!random.chance(grows ? 900 : 200)) continue;
        const Cell cell = any_cell();
        held[slot] = {index.add(slot, cell), cell};
      } else if (random.chance(grows ? 800 : 100)) {
        found->second.second = any_cell();
        index.move(found->second.first, found->second.second);
      } else {
        index.remove(found->second.first);
        held.erase(found);
      }
      was_ordered = was_ordered || index.is_ordered();
      was_small_again = was_small_again || (was_ordered && !index.is_ordered());
      const Shelves shelves = random.next();
      std::set<Slot> expected;
      for (const auto& [id, at] : held) {
        if (at.second != kNoCell && (shelves >> (at.second % 64) & 1) != 0) expected.insert(id);
      }
      std::set<Slot> seen;
      int last = 101;
      index.walk(shelves, [&](Slot id) {
        EXPECT_TRUE(seen.insert(id).second);
        const int promise = held[id].second / 64;
        EXPECT_TRUE(!index.is_ordered() || promise <= last);
        last = promise;
        return true;
      });
      ASSERT_EQ(seen, expected) << "seed " << seed << " step " << n;
      ASSERT_EQ(index.size(), held.size());
    }
    EXPECT_TRUE(was_ordered && was_small_again);
  }
}

}  // namespace
}  // namespace sandboxd::sched
