#include "orch/api/opensbx/url.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

TEST(OpensbxUrl, local_domains_have_the_proxys_port) {
  EXPECT_EQ(sandbox_url("eager-turing", "localhost", ":3000"), "http://eager-turing.localhost:3000");
  EXPECT_EQ(sandbox_url("a-b", "dev.localhost", ":80"), "http://a-b.dev.localhost");
  EXPECT_EQ(sandbox_url("a-b", "localhost", ":443"), "http://a-b.localhost");
  EXPECT_EQ(sandbox_url("a-b", "localhost", ""), "http://a-b.localhost");
}

TEST(OpensbxUrl, an_address_before_the_port_stays_out) {
  EXPECT_EQ(sandbox_url("a-b", "localhost", "127.0.0.1:3000"), "http://a-b.localhost:3000");
  EXPECT_EQ(sandbox_url("a-b", "localhost", "[::1]:3000"), "http://a-b.localhost:3000");
}

TEST(OpensbxUrl, public_domains_are_https_without_a_port) {
  EXPECT_EQ(sandbox_url("a-b", "example.org", ":3000"), "https://a-b.example.org");
}

TEST(OpensbxUrl, an_empty_domain_is_localhost_and_an_empty_name_has_none) {
  EXPECT_EQ(sandbox_url("a-b", " ", ":3000"), "http://a-b.localhost:3000");
  EXPECT_EQ(sandbox_url("", "localhost", ":3000"), "");
}

TEST(OpensbxUrl, local_means_this_machine) {
  for (const char* domain : {"localhost", "sub.localhost", "127.0.0.1", "::1", "[::1]", " localhost "}) {
    EXPECT_TRUE(is_local_domain(domain)) << domain;
  }
  for (const char* domain : {"example.org", "localhost.org", "10.0.0.1"})
    EXPECT_FALSE(is_local_domain(domain)) << domain;
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
