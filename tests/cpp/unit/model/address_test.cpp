#include "model/node.hpp"

#include <gtest/gtest.h>

namespace sandboxd::model {
namespace {

TEST(NodeAddress, unsafe_addresses_are_refused_with_the_documented_words) {
  struct Case {
    const char* ip;
    int port;
    const char* message;
  };
  for (const Case& c :
       {Case{"not-an-ip", 80, "invalid ip"}, Case{"010.0.0.1", 80, "invalid ip"},
        Case{"fe80::1%eth0", 80, "invalid ip"}, Case{"0.0.0.0", 80, "unspecified ip is not allowed"},
        Case{"::", 80, "unspecified ip is not allowed"}, Case{"224.0.0.1", 80, "multicast ip is not allowed"},
        Case{"169.254.169.254", 80, "link-local ip is not allowed"},
        Case{"fe80::1", 80, "link-local ip is not allowed"},
        Case{"::ffff:169.254.169.254", 80, "link-local ip is not allowed"},
        Case{"::ffff:0.0.0.0", 80, "unspecified ip is not allowed"}, Case{"127.0.0.1", 0, "invalid port"},
        Case{"127.0.0.1", 70000, "invalid port"}}) {
    const auto result = validate_address({c.ip, c.port});
    ASSERT_FALSE(result) << c.ip;
    EXPECT_EQ(result.error().message(), c.message);
  }
}

TEST(NodeAddress, loopback_private_and_public_ones_are_allowed) {
  for (const char* ip : {"127.0.0.1", "10.89.1.10", "192.168.1.20", "198.51.100.2", "::1"}) {
    EXPECT_TRUE(validate_address({ip, 8080})) << ip;
  }
}

TEST(NodeAddress, ipv6_stands_in_brackets) {
  EXPECT_EQ(base_url({"::1", 8080}), "http://[::1]:8080");
  EXPECT_EQ(base_url({"10.0.0.1", 80}), "http://10.0.0.1:80");
}

}  // namespace
}  // namespace sandboxd::model
