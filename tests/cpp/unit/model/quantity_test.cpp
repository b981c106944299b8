#include "model/quantity.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace sandboxd::model {
namespace {

constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

TEST(Quantity, cpu_is_rounded_up_to_millicores) {
  EXPECT_EQ(parse_cpu_milli("200m"), 200);
  EXPECT_EQ(parse_cpu_milli("1"), 1000);
  EXPECT_EQ(parse_cpu_milli(" .5 "), 500);
  EXPECT_EQ(parse_cpu_milli("1."), 1000);
  EXPECT_EQ(parse_cpu_milli("100u"), 1);
  EXPECT_EQ(parse_cpu_milli("0.0001"), 1);
  EXPECT_EQ(parse_cpu_milli("2e1"), 20000);
  EXPECT_EQ(parse_cpu_milli("-1"), -1000);
}

TEST(Quantity, bytes_know_binary_and_decimal_suffixes) {
  EXPECT_EQ(parse_bytes("256Mi"), 256LL * 1024 * 1024);
  EXPECT_EQ(parse_bytes("1k"), 1000);
  EXPECT_EQ(parse_bytes("1.5Gi"), 1536LL * 1024 * 1024);
  EXPECT_EQ(parse_bytes("1E"), 1'000'000'000'000'000'000);
  EXPECT_EQ(parse_bytes("1e3"), 1000);
  EXPECT_EQ(parse_bytes("1500m"), 2);
  EXPECT_EQ(parse_bytes("0"), 0);
}

TEST(Quantity, huge_values_saturate) {
  EXPECT_EQ(parse_bytes("999999999999999999999999"), kMax);
  EXPECT_EQ(parse_bytes("8Ei"), kMax);
  EXPECT_EQ(parse_bytes("1e999"), kMax);
  EXPECT_EQ(parse_bytes("-1e999"), -kMax);
}

TEST(Quantity, anything_else_is_refused) {
  for (const char* text : {"", " ", "m", "1x", "1mi", "1 Mi", "--1", "1.2.3", "0x10", "1e", "1e+", "Ki", "1KiB", "."}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
    EXPECT_FALSE(parse_cpu_milli(text)) << text;
  }
}

TEST(Quantity, formatting_round_trips) {
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1000}, std::int64_t{1} << 30, kMax}) {
    EXPECT_EQ(parse_bytes(format_bytes(value)), value);
  }
  EXPECT_EQ(format_bytes(256LL << 20), "256Mi");
  EXPECT_EQ(parse_cpu_milli(format_cpu_milli(250)), 250);
}

}  // namespace
}  // namespace sandboxd::model
