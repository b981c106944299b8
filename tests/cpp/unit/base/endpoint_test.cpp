#include "base/endpoint.hpp"

#include <gtest/gtest.h>

namespace sandboxd {
namespace {

TEST(Endpoint, reads_address_and_port) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:8082").value().port, 8082);
  EXPECT_EQ(parse_endpoint(":8080").value().address, "0.0.0.0");
  EXPECT_EQ(parse_endpoint("[::1]:80").value().address, "::1");
  EXPECT_EQ(parse_endpoint("localhost:1").value().address, "127.0.0.1");
}

TEST(Endpoint, refuses_anything_else) {
  for (const char* text : {"", "8080", "host:80", "1.2.3.4:", "1.2.3.4:70000", "1.2.3.4:-1", "1.2.3:80", "[::1:80"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

TEST(Endpoint, knows_loopback) {
  EXPECT_TRUE(is_loopback("127.0.0.1"));
  EXPECT_TRUE(is_loopback("127.9.9.9"));
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
  EXPECT_FALSE(is_loopback("10.0.0.1"));
  EXPECT_FALSE(is_loopback("localhost"));
}

}  // namespace
}  // namespace sandboxd
