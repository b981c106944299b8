#include "orch/api/opensbx/create.hpp"

#include "orch/api/opensbx/wire.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

CreateBody body_of(std::string_view text) { return *decode_create(text); }

TEST(OpensbxCreate, an_image_alone_gets_the_defaults) {
  const model::SandboxSpec spec = make_spec(body_of(R"({"image":"node:22"})"), 10);
  ASSERT_EQ(spec.containers.size(), 1U);
  const model::Container& main = spec.containers.front();
  EXPECT_EQ(main.name, "main");
  EXPECT_EQ(main.image, "node:22");
  EXPECT_EQ(main.command_kind, model::CommandKind::hold);
  EXPECT_EQ(main.resources.limit_memory_bytes, (model::Amount{std::int64_t{1024} << 20, "1024Mi"}));
  EXPECT_EQ(main.resources.limit_cpu_milli, (model::Amount{1000, "1000m"}));
  EXPECT_EQ(spec.ttl_seconds, 900);
  EXPECT_EQ(spec.on_expiry, model::OnExpiry::stop);
  EXPECT_EQ(spec.egress.mode, model::EgressMode::public_internet);
  EXPECT_FALSE(spec.annotations.contains(kMainPort));
  EXPECT_TRUE(model::validate_spec(spec));
}

TEST(OpensbxCreate, what_is_asked_is_taken_over_and_a_share_of_it_is_reserved) {
  const model::SandboxSpec spec = make_spec(
      body_of(R"({"image":"a","timeout":3600,"resources":{"memory":512,"cpus":1.5},"env":["A=b","BARE"]})"), 20);
  const model::ContainerResources& resources = spec.containers.front().resources;
  EXPECT_EQ(resources.limit_memory_bytes.value, 512 << 20);
  EXPECT_EQ(resources.limit_cpu_milli.value, 1500);
  EXPECT_EQ(resources.request_memory_bytes, (512 << 20) / 5);
  EXPECT_EQ(resources.request_cpu_milli, 300);
  EXPECT_EQ(spec.ttl_seconds, 3600);
  EXPECT_EQ(spec.containers.front().env, std::vector<std::string>{"A=b"});
}

TEST(OpensbxCreate, the_first_port_that_can_be_published_is_the_main_one) {
  const model::SandboxSpec spec = make_spec(body_of(R"({"image":"a","ports":["bad","3000/TCP","8080"]})"), 10);
  ASSERT_EQ(spec.ports.size(), 2U);
  EXPECT_EQ(spec.ports[0].container_port, 3000);
  EXPECT_EQ(spec.ports[0].host_port, 0);
  EXPECT_EQ(spec.annotations.at(kMainPort), "3000/tcp");
}

TEST(OpensbxCreate, an_id_is_64_hex_digits) {
  std::uint64_t bits = 0x0123456789abcdef;
  const std::string id = draw_id([&] { return bits++; });
  EXPECT_EQ(id.size(), 64U);
  EXPECT_EQ(id.substr(0, 16), "fedcba9876543210");
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
