#include "network/bandwidth.hpp"

#include "model/egress.hpp"

#include <gtest/gtest.h>

namespace sandboxd::network {
namespace {

using Loses = TokenBucket::Loses;

TEST(TokenBucket, OutOfASandboxHasAShortQueueOfSingleFramesThatLosesItsOldestAtSlowRates) {
  EXPECT_EQ(bucket_out_of_sandbox(10'000'000, 1500), (TokenBucket{1'250'000, 3036, Loses::oldest_packets, 82}));
  EXPECT_EQ(bucket_out_of_sandbox(model::kBandwidthMin, 1500), (TokenBucket{8'000, 3036, Loses::oldest_packets, 32}));
  EXPECT_EQ(bucket_out_of_sandbox(99'999'992, 1500), (TokenBucket{12'499'999, 3036, Loses::oldest_packets, 300}));
}

TEST(TokenBucket, OutOfASandboxHasADeepQueueAtFastRates) {
  EXPECT_EQ(bucket_out_of_sandbox(100'000'000, 1500),
            (TokenBucket{12'500'000, 250'000, Loses::newest_bytes, 5'000'000}));
}

TEST(TokenBucket, IntoASandboxHasADeepQueue) {
  EXPECT_EQ(bucket_into_sandbox(10'000'000, 1500), (TokenBucket{1'250'000, 25'000, Loses::newest_bytes, 500'000}));
  EXPECT_EQ(bucket_into_sandbox(model::kBandwidthMin, 1500),
            (TokenBucket{8'000, 3036, Loses::newest_bytes, 256 * 1024}));
  const TokenBucket widest = bucket_into_sandbox(1'000'000'000'000, 1500);  // beyond 32 bits of bytes a second
  EXPECT_EQ(widest, (TokenBucket{125'000'000'000, 4U << 20, Loses::newest_bytes, 16U << 20}));
}

TEST(TokenBucket, FitsEveryFrameOfTheInterface) {
  EXPECT_GT(bucket_out_of_sandbox(model::kBandwidthMin, 9000).burst_bytes, 9018U);
  EXPECT_GT(bucket_into_sandbox(100'000'000, 65'535).burst_bytes, 65'553U);
}

}  // namespace
}  // namespace sandboxd::network
