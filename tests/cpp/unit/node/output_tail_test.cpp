#include "node/output_tail.hpp"

#include <gtest/gtest.h>

namespace sandboxd::node {
namespace {

TEST(OutputTail, KeepsTheLastBytesOfEachStream) {
  OutputTail tail(4);
  for (std::uint64_t i = 0; i < 10; ++i) tail.add({false, i, std::string(1, static_cast<char>('0' + i))});
  tail.add({true, 0, "err"});
  const model::CommandOutput kept = tail.take();
  EXPECT_EQ(kept.stdout_bytes, "6789");
  EXPECT_EQ(kept.stdout_begin, 6U);
  EXPECT_EQ(kept.stderr_bytes, "err");
  EXPECT_EQ(kept.stderr_begin, 0U);
}

TEST(OutputTail, StartsAnewBehindAGap) {
  OutputTail tail(100);
  tail.add({false, 0, "before"});
  tail.add({false, 50, "after"});
  const model::CommandOutput kept = tail.take();
  EXPECT_EQ(kept.stdout_bytes, "after");
  EXPECT_EQ(kept.stdout_begin, 50U);
}

TEST(OutputTail, OfNothingKeepsNothing) {
  OutputTail tail(0);
  tail.add({false, 0, "x"});
  const model::CommandOutput kept = tail.take();
  EXPECT_EQ(kept.stdout_bytes, "");
  EXPECT_EQ(kept.stdout_begin, 1U);
}

}  // namespace
}  // namespace sandboxd::node
