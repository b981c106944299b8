#include "proc/host_facts.hpp"

#include <gmock/gmock.h>

namespace sandboxd::proc {
namespace {

using ::testing::ElementsAre;

TEST(HostFacts, MemTotalIsReadInBytes) {
  EXPECT_EQ(parse_mem_total("MemTotal:        2048 kB\nMemFree: 1 kB\n"), 2048 * 1024);
  EXPECT_EQ(parse_mem_total("MemFree: 1 kB\n"), std::nullopt);
  EXPECT_EQ(parse_mem_total("MemTotal: many\n"), std::nullopt);
}

TEST(HostFacts, AUnifiedCgroupIsLimitedByItsAncestorsToo) {
  EXPECT_THAT(memory_limit_files("0::/a/b\n"),
              ElementsAre("/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"));
  EXPECT_THAT(memory_limit_files("0::/\n"), ElementsAre("/sys/fs/cgroup/memory.max"));
}

TEST(HostFacts, OfSeveralHierarchiesOnlyMemoryCounts) {
  EXPECT_THAT(
      memory_limit_files("5:cpu,cpuacct:/x\n4:memory:/y\nnonsense\n"),
      ElementsAre("/sys/fs/cgroup/memory/y/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"));
}

TEST(HostFacts, NoLimitIsNotALimit) {
  EXPECT_EQ(parse_memory_limit("max\n"), std::nullopt);
  EXPECT_EQ(parse_memory_limit("9223372036854771712\n"), std::nullopt);
  EXPECT_EQ(parse_memory_limit(""), std::nullopt);
  EXPECT_EQ(parse_memory_limit("1048576\n"), 1048576);
}

TEST(HostFacts, ThisMachineHasSome) {
  const auto facts = read_host_facts().value();
  EXPECT_GE(facts.cpu_count, 1);
  EXPECT_GT(facts.memory_bytes, 16 * 1024 * 1024);
}

}  // namespace
}  // namespace sandboxd::proc
