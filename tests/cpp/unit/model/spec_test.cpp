#include "model/spec.hpp"

#include "model/node_sandbox.hpp"
#include "model/sandbox.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace sandboxd::model {
namespace {

SandboxSpec one_container() {
  Container container;
  container.name = "app";
  container.image = "busybox";
  SandboxSpec spec;
  spec.containers.push_back(container);
  return spec;
}

TEST(Spec, a_minimal_one_is_valid) { EXPECT_TRUE(validate_spec(one_container())); }

TEST(Spec, problems_name_what_is_wrong) {
  SandboxSpec none;
  EXPECT_EQ(validate_spec(none).error().message(), "at least one container is required");
  SandboxSpec twice = one_container();
  twice.containers.push_back(twice.containers[0]);
  EXPECT_EQ(validate_spec(twice).error().message(), "duplicate container name: app");
  SandboxSpec port = one_container();
  port.ports.push_back(PortSpec{0, 70000, "tcp"});
  EXPECT_EQ(validate_spec(port).error().message(), "invalid container port");
  SandboxSpec protocol = one_container();
  protocol.ports.push_back(PortSpec{0, 80, "sctp"});
  EXPECT_EQ(validate_spec(protocol).error().message(), "unsupported protocol");
}

TEST(Spec, names_cannot_leave_a_directory) {
  for (const char* good : {"a", "web-server", "Cont_ainer.1", "0"}) EXPECT_TRUE(is_valid_name(good, 64)) << good;
  for (const char* bad : {"", "..", "a..b", "a/b", "../x", "-a", ".a", "a b", "a\n", "\xc3\xa4"}) {
    EXPECT_FALSE(is_valid_name(bad, 64)) << bad;
  }
  EXPECT_TRUE(is_valid_name(std::string(64, 'a'), 64));
  EXPECT_FALSE(is_valid_name(std::string(65, 'a'), 64));
}

TEST(Spec, totals_saturate) {
  SandboxSpec spec = one_container();
  spec.containers[0].resources.request_memory_bytes = std::numeric_limits<std::int64_t>::max();
  spec.containers.push_back(spec.containers[0]);
  EXPECT_EQ(total_request_memory_bytes(spec), std::numeric_limits<std::int64_t>::max());
}

TEST(Spec, a_negative_request_gives_nothing_to_others) {
  SandboxSpec spec = one_container();
  spec.containers[0].resources.request_cpu_milli = -1000;
  spec.containers[0].resources.request_memory_bytes = -1;
  EXPECT_EQ(total_request_cpu_milli(spec), 0);
  EXPECT_EQ(total_request_memory_bytes(spec), 0);
}

TEST(Protocol, is_case_insensitive_and_defaults_to_tcp) {
  EXPECT_EQ(parse_protocol(""), Protocol::tcp);
  EXPECT_EQ(parse_protocol("UDP"), Protocol::udp);
  EXPECT_FALSE(parse_protocol("tcp "));
}

TEST(Phase, names_round_trip) {
  for (int i = 0; i <= static_cast<int>(Phase::deleting); ++i) {
    const auto phase = static_cast<Phase>(i);
    EXPECT_EQ(parse_phase(to_string(phase)), phase);
  }
  EXPECT_EQ(parse_node_phase("ERROR"), Phase::failed);
  EXPECT_EQ(to_node_text(Phase::failed), "error");
  EXPECT_FALSE(parse_node_phase("scheduled"));
}

}  // namespace
}  // namespace sandboxd::model
