#include "logs/log_files.hpp"

#include "base/limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace sandboxd::logs {
namespace {

using testing::ElementsAre;
namespace fs = std::filesystem;

class LogFiles : public testing::Test {
 protected:
  LogFiles() {
    std::string pattern = (fs::temp_directory_path() / "sbx-logs-XXXXXX").string();
    data_dir_ = ::mkdtemp(pattern.data());
    fs::create_directories(data_dir_ + "/logs/sb");
  }
  ~LogFiles() override { fs::remove_all(data_dir_); }

  void write(const std::string& name, const std::string& content) {
    std::ofstream(data_dir_ + "/logs/sb/" + name, std::ios::binary) << content;
  }

  std::string data_dir_;
  const SandboxId id_{"sb"};
};

TEST_F(LogFiles, the_rotated_file_comes_first) {
  write("web.log.1", "old\n");
  write("web.log", "new\n");
  EXPECT_THAT(*read_log(data_dir_, id_, "web"), ElementsAre("old", "new"));
}

TEST_F(LogFiles, between_a_rotation_and_its_new_file_the_old_one_is_enough) {
  write("web.log.1", "old\n");
  EXPECT_THAT(*read_log(data_dir_, id_, "web"), ElementsAre("old"));
}

TEST_F(LogFiles, a_missing_file_and_a_missing_sandbox_are_not_found) {
  EXPECT_EQ(read_log(data_dir_, id_, "web").error().code(), ErrorCode::not_found);
  EXPECT_EQ(read_log(data_dir_, SandboxId("other"), "web").error().code(), ErrorCode::not_found);
}

TEST_F(LogFiles, the_limit_itself_is_readable_and_one_byte_more_is_not) {
  const std::string half(limits::kLogFileBytesMax / 2, 'x');
  write("web.log.1", half);
  write("web.log", half);
  EXPECT_TRUE(read_log(data_dir_, id_, "web"));
  write("web.log", half + "y");
  const auto refused = read_log(data_dir_, id_, "web");
  EXPECT_EQ(refused.error(), Error(ErrorCode::too_large, "logs too large"));
}

TEST_F(LogFiles, names_cannot_leave_the_directory) {
  EXPECT_EQ(read_log(data_dir_, SandboxId("../logs/sb"), "web").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(read_log(data_dir_, id_, "../sb/web").error().code(), ErrorCode::invalid_argument);
}

TEST_F(LogFiles, links_are_not_followed) {
  write("secret", "secret\n");
  fs::create_symlink(data_dir_ + "/logs/sb/secret", data_dir_ + "/logs/sb/web.log");
  EXPECT_FALSE(read_log(data_dir_, id_, "web"));
}

}  // namespace
}  // namespace sandboxd::logs
