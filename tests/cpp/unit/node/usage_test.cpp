// What a sandbox uses, from readings that a test makes up.
#include "codec/sbxlet_images.hpp"
#include "node/usage_reader.hpp"
#include "unit/node/routes_fixture.hpp"

namespace sandboxd::node {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kMiB = 1 << 20;

class UsageTest : public RoutesFixture {
 protected:
  std::string key(const std::string& id, std::size_t container = 0) {
    return agent_->get(SandboxId(id))->containers.at(container).key;
  }
  model::SandboxUsage usage(const std::string& id) {
    const Answer answer = get("/v1/sandboxes/" + id + "/usage");
    EXPECT_EQ(answer.status, 200) << answer;
    auto read = codec::sbxlet::decode_usage(answer.body);
    EXPECT_TRUE(read) << read.error().message();
    return read ? *read : model::SandboxUsage();
  }
};

TEST(CpuPercent, IsOfOneCoreWithTwoDecimals) {
  EXPECT_EQ(cpu_percent(250 * kMs, std::chrono::milliseconds(1000)), 25.0);
  EXPECT_EQ(cpu_percent(2 * kMs, std::chrono::milliseconds(3)), 66.67);
  EXPECT_EQ(cpu_percent(4000 * kMs, std::chrono::milliseconds(1000)), 400.0);
  EXPECT_EQ(cpu_percent(10, Duration::zero()), 0.0);
  EXPECT_EQ(cpu_percent(-5, std::chrono::milliseconds(1)), 0.0);
  EXPECT_EQ(percent_of(1, 0), 0.0);
  EXPECT_EQ(percent_of(1, 3), 33.33);
}

TEST_F(UsageTest, TheFirstQuestionReadsTwiceTheNextOnesOnce) {
  create_running("one");
  meter_.usage[key("one")] = {1000 * kMs, 32 * kMiB, 64 * kMiB, 3};
  const MonoTime before = clock_.mono_now();
  const auto first = usage("one");
  EXPECT_EQ(meter_.reads, 2U);
  EXPECT_EQ(clock_.mono_now() - before, std::chrono::milliseconds(100));
  EXPECT_EQ(first.cpu_percent, 0.0);
  EXPECT_EQ(first.cpu_nanos, 1000 * kMs);
  EXPECT_EQ(first.memory_bytes, 32 * kMiB);
  EXPECT_EQ(first.memory_limit_bytes, 64 * kMiB);
  EXPECT_EQ(first.memory_percent, 50.0);
  EXPECT_EQ(first.pids, 3);
  run_void(clock_.sleep_for(std::chrono::seconds(2)));
  meter_.usage[key("one")].cpu_nanos += 500 * kMs;
  EXPECT_EQ(usage("one").cpu_percent, 25.0);
  EXPECT_EQ(meter_.reads, 3U);
  // Asked again at once: no time has passed that could be measured.
  EXPECT_EQ(usage("one").cpu_percent, 25.0);
}

TEST_F(UsageTest, ALongTimeAgoIsNotNow) {
  create_running("one");
  meter_.usage[key("one")] = {1000 * kMs, kMiB, 0, 1};
  (void)usage("one");
  run_void(clock_.sleep_for(std::chrono::minutes(5)));
  meter_.usage[key("one")].cpu_nanos += 300'000 * kMs;  // it was busy, and is not any more
  EXPECT_EQ(usage("one").cpu_percent, 0.0);
}

TEST_F(UsageTest, WithoutALimitItIsTheMachines) {
  create_running("one");
  meter_.usage[key("one")] = {0, std::int64_t{1} << 30, 0, 1};
  EXPECT_EQ(usage("one").memory_limit_bytes, std::int64_t{4} << 30);
  EXPECT_EQ(usage("one").memory_percent, 25.0);
}

TEST_F(UsageTest, ContainersAddUp) {
  auto request = simple_request("pair", 2);
  ASSERT_TRUE(run(agent_->create(request)));
  ASSERT_TRUE(settle("pair"));
  meter_.usage[agent_->get(SandboxId("pair"))->pod_key] = {kMs, kMiB, 128 * kMiB, 1};
  meter_.usage[key("pair", 0)] = {10 * kMs, 10 * kMiB, 64 * kMiB, 2};
  meter_.usage[key("pair", 1)] = {20 * kMs, 20 * kMiB, 64 * kMiB, 4};
  const auto both = usage("pair");
  EXPECT_EQ(both.cpu_nanos, 31 * kMs);
  EXPECT_EQ(both.memory_bytes, 31 * kMiB);
  EXPECT_EQ(both.memory_limit_bytes, 128 * kMiB);
  EXPECT_EQ(both.pids, 7);
  ASSERT_EQ(both.containers.size(), 2U);
  EXPECT_EQ(both.containers[1].name, "c1");
  EXPECT_EQ(both.containers[1].memory_bytes, 20 * kMiB);
}

TEST_F(UsageTest, WhatDoesNotRunUsesNothing) {
  create_running("one");
  runtime_machine_->exit(key("one"), 0);
  ASSERT_TRUE(run_until([this] { return phase("one") == model::Phase::stopped; }));
  model::SandboxUsage none;
  none.containers.push_back({.name = "main"});
  EXPECT_EQ(usage("one"), none);
  EXPECT_EQ(get("/v1/sandboxes/nobody/usage").status, 404);
}

}  // namespace
}  // namespace sandboxd::node
