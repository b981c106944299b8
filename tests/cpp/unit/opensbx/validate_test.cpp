#include "orch/api/opensbx/validate.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

std::string refusal(CreateBody body) {
  const auto valid = validate_create(body);
  return valid ? "" : valid.error().message();
}

CreateBody good() {
  CreateBody body;
  body.image = "node:22";
  return body;
}

TEST(OpensbxValidate, a_create_is_checked_in_the_originals_words) {
  EXPECT_EQ(refusal(good()), "");
  EXPECT_EQ(refusal({}),
            "Key: 'CreateSandboxRequest.Image' Error:Field validation for 'Image' failed on the "
            "'required' tag");
  CreateBody body = good();
  body.timeout = -1;
  EXPECT_EQ(refusal(body), "timeout must be >= 0");
  body = good();
  body.memory_mb = -1;
  EXPECT_EQ(refusal(body), "resources.memory must be >= 0");
  body.memory_mb = 8193;
  EXPECT_EQ(refusal(body), "resources.memory must be <= 8192 (8GB)");
  body.memory_mb = 8192;
  EXPECT_EQ(refusal(body), "");
  body.cpus = -0.5;
  EXPECT_EQ(refusal(body), "resources.cpus must be >= 0");
  body.cpus = 4.1;
  EXPECT_EQ(refusal(body), "resources.cpus must be <= 4.0");
  body.cpus = 4;
  EXPECT_EQ(refusal(body), "");
}

TEST(OpensbxValidate, the_first_failure_in_the_originals_order_wins) {
  CreateBody body;
  body.timeout = -1;
  body.cpus = 9;
  EXPECT_NE(refusal(body).find("Image"), std::string::npos);
  body.image = "a";
  EXPECT_EQ(refusal(body), "timeout must be >= 0");
}

TEST(OpensbxValidate, ports_are_made_whole) {
  EXPECT_EQ(normal_ports({"", "3000", "3000/tcp", "8080/udp", "53/UDP", "9/"}),
            (std::vector<std::string>{"3000/tcp", "3000/tcp", "8080/udp", "53/udp", "9/tcp"}));
}

TEST(OpensbxValidate, what_is_no_port_is_left_out) {
  const auto ports = published_ports(
      normal_ports({"3000", "3000/tcp", "8080/udp", "bad", "3000-3010", " 80", "0", "65536", "-1", "5/sctp", "65535"}));
  std::vector<std::string> texts;
  for (const auto& port : ports) texts.push_back(port_text(port.container_port, port.protocol()));
  EXPECT_EQ(texts, (std::vector<std::string>{"3000/tcp", "8080/udp", "65535/tcp"}));
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
