// Control groups as files of a test.
#include "containerd/cgroup_meter.hpp"

#include "support/temp_dir.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace sandboxd::containerd {
namespace {

class CgroupMeterTest : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) {
    const std::filesystem::path path = std::filesystem::path(root()) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::string root() const { return dir_.path(); }
  std::optional<ports::MeteredUsage> read() {
    const auto usage = read_cgroup("/sandboxd-0/box", root());
    EXPECT_TRUE(usage) << usage.error().message();
    return usage ? *usage : std::nullopt;
  }

 private:
  test::TempDir dir_;
};

TEST_F(CgroupMeterTest, Version2) {
  put("sandboxd-0/box/cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n");
  put("sandboxd-0/box/memory.current", "10485760\n");
  put("sandboxd-0/box/memory.stat", "anon 1\nactive_file 7\ninactive_file 4194304\n");
  put("sandboxd-0/box/memory.max", "67108864\n");
  put("sandboxd-0/box/pids.current", "12\n");
  EXPECT_EQ(read(), (ports::MeteredUsage{1'500'000, 6291456, 67108864, 12}));
  put("sandboxd-0/box/memory.max", "max\n");
  EXPECT_EQ(read()->memory_limit_bytes, 0);
}

TEST_F(CgroupMeterTest, Version1WithItsTwoNamesForCpu) {
  for (const std::string cpu : {"cpuacct", "cpu,cpuacct"}) {
    put(cpu + "/sandboxd-0/box/cpuacct.usage", "123456789\n");
    put("memory/sandboxd-0/box/memory.usage_in_bytes", "1000\n");
    put("memory/sandboxd-0/box/memory.stat", "inactive_file 1\ntotal_inactive_file 400\n");
    put("memory/sandboxd-0/box/memory.limit_in_bytes", "9223372036854771712\n");
    put("pids/sandboxd-0/box/pids.current", "3\n");
    EXPECT_EQ(read(), (ports::MeteredUsage{123456789, 600, 0, 3})) << cpu;
    std::filesystem::remove_all(root() + "/" + cpu);
  }
}

TEST_F(CgroupMeterTest, CacheNeverMakesItNegative) {
  put("sandboxd-0/box/cpu.stat", "usage_usec 1\n");
  put("sandboxd-0/box/memory.current", "100\n");
  put("sandboxd-0/box/memory.stat", "inactive_file 200\n");
  EXPECT_EQ(read()->memory_bytes, 0);
}

TEST_F(CgroupMeterTest, WhatIsNotThereIsNothing) { EXPECT_EQ(read(), std::nullopt); }

}  // namespace
}  // namespace sandboxd::containerd
