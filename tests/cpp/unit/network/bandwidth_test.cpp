#include "network/bandwidth.hpp"

#include "model/egress.hpp"

#include <gtest/gtest.h>

namespace sandboxd::network {
namespace {

TEST(TokenBucket, HasAShareOfTheRateAndNeverLessThanFramesNeed) {
  EXPECT_EQ(token_bucket(80'000'000), (TokenBucket{10'000'000, 200'000, 4'000'000}));
  EXPECT_EQ(token_bucket(model::kBandwidthMin), (TokenBucket{8'000, 4096, 256 * 1024}));
  const TokenBucket widest = token_bucket(1'000'000'000'000);  // beyond 32 bits of bytes a second
  EXPECT_EQ(widest.bytes_per_second, 125'000'000'000u);
  EXPECT_EQ(widest.burst_bytes, 4u << 20);
  EXPECT_EQ(widest.queue_bytes, 16u << 20);
}

}  // namespace
}  // namespace sandboxd::network
