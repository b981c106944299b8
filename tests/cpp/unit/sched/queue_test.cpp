#include "sched/queue.hpp"

#include <gtest/gtest.h>

namespace sandboxd::sched {
namespace {

std::string joined(const std::vector<SandboxId>& ids) {
  std::string text;
  for (const SandboxId& id : ids) text += id.str() + " ";
  return text;
}

TEST(PendingQueue, owners_take_turns_and_the_oldest_goes_first) {
  PendingQueue queue;
  queue.add("ann", MonoTime{3}, SandboxId("a3"));
  queue.add("ann", MonoTime{1}, SandboxId("a1"));
  queue.add("ann", MonoTime{2}, SandboxId("a2"));
  queue.add("bob", MonoTime{9}, SandboxId("b9"));
  EXPECT_EQ(joined(queue.fair_order()), "a1 b9 a2 a3 ");
  EXPECT_EQ(joined(queue.fair_order()), "b9 a1 a2 a3 ");
  EXPECT_EQ(joined(queue.fair_order()), "a1 b9 a2 a3 ");
}

TEST(PendingQueue, knows_the_oldest_and_who_came_after) {
  PendingQueue queue;
  EXPECT_FALSE(queue.first_after(MonoTime{0}));
  queue.add("ann", MonoTime{3}, SandboxId("a"));
  queue.add("bob", MonoTime{5}, SandboxId("b"));
  EXPECT_EQ(queue.by_age().begin()->second, SandboxId("a"));
  EXPECT_EQ(queue.first_after(MonoTime{2})->second, SandboxId("a"));
  EXPECT_EQ(queue.first_after(MonoTime{3})->second, SandboxId("b"));
  EXPECT_FALSE(queue.first_after(MonoTime{5}));
}

TEST(PendingQueue, forgets_what_is_removed) {
  PendingQueue queue;
  queue.add("ann", MonoTime{1}, SandboxId("a"));
  queue.add("bob", MonoTime{2}, SandboxId("b"));
  EXPECT_EQ(queue.oldest()->second, SandboxId("a"));
  queue.remove("ann", MonoTime{1}, SandboxId("a"));
  queue.remove("ann", MonoTime{1}, SandboxId("a"));
  EXPECT_EQ(joined(queue.fair_order()), "b ");
  queue.remove("bob", MonoTime{2}, SandboxId("b"));
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.fair_order().empty());
  EXPECT_FALSE(queue.oldest());
}

}  // namespace
}  // namespace sandboxd::sched
