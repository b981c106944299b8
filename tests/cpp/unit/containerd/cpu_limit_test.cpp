#include "containerd/cpu_limit.hpp"

#include "support/temp_dir.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace sandboxd::containerd {
namespace {

class CpuLimit : public testing::Test {
 protected:
  void put(const std::string& path) {
    std::filesystem::create_directories(std::filesystem::path(root_.path() + path).parent_path());
    std::ofstream(root_.path() + path) << "";
  }
  std::string get(const std::string& path) {
    std::ifstream file(root_.path() + path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  test::TempDir root_;
};

TEST_F(CpuLimit, is_a_share_of_the_period_and_never_below_the_kernels_minimum) {
  EXPECT_EQ(cpu_quota_us(200), 20000);
  EXPECT_EQ(cpu_quota_us(1500), 150000);
  EXPECT_EQ(cpu_quota_us(1), 1000);
}

TEST_F(CpuLimit, goes_to_the_first_version_of_control_groups) {
  put("/cpu/parent/key/cpu.cfs_quota_us");
  ASSERT_TRUE(write_cpu_limit("/parent/key", 50, root_.path()));
  EXPECT_EQ(get("/cpu/parent/key/cpu.cfs_quota_us"), "5000");
}

TEST_F(CpuLimit, goes_to_the_first_version_under_its_joint_name) {
  put("/cpu,cpuacct/parent/key/cpu.cfs_quota_us");
  ASSERT_TRUE(write_cpu_limit("/parent/key", 50, root_.path()));
  EXPECT_EQ(get("/cpu,cpuacct/parent/key/cpu.cfs_quota_us"), "5000");
}

TEST_F(CpuLimit, goes_to_the_second_version_with_its_period) {
  put("/parent/key/cpu.max");
  ASSERT_TRUE(write_cpu_limit("/parent/key", 250, root_.path()));
  EXPECT_EQ(get("/parent/key/cpu.max"), "25000 100000");
}

TEST_F(CpuLimit, of_a_container_that_is_gone_is_no_error) {
  EXPECT_TRUE(write_cpu_limit("/parent/key", 250, root_.path()));
  EXPECT_FALSE(std::filesystem::exists(root_.path() + "/cpu"));
}

TEST_F(CpuLimit, that_the_kernel_does_not_take_is_an_error_with_the_path) {
  std::filesystem::create_directories(root_.path() + "/parent/key/cpu.max");
  const auto refused = write_cpu_limit("/parent/key", 250, root_.path());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("/parent/key/cpu.max"), std::string::npos) << refused.error().message();
}

}  // namespace
}  // namespace sandboxd::containerd
