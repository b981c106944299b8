// The log holder's own promises: it outlives agents, is replaced when it dies, bounds files, trusts nobody. What every
// collector promises is in tests/cpp/contract/output.
#include "support/private_log_holder.hpp"

#include <gmock/gmock.h>

#include <csignal>

namespace sandboxd::logs {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;

const SandboxId kSandbox("sb");

class LogHolder : public testing::Test, protected test::PrivateLogHolder {
 protected:
  LogHolder() : PrivateLogHolder(LOG_HOLDER) {}

  std::vector<std::string> drained(const std::string& container) {
    const auto drained = run(client_->drain(kSandbox, container));
    EXPECT_TRUE(drained);
    auto lines = run(client_->read(kSandbox, container));
    return lines ? *lines : std::vector<std::string>{"no log: " + lines.error().message()};
  }
};

std::string numbered_lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "line " + std::to_string(i) + " " + std::string(80, 'x') + "\n";
  return text;
}

// All lines of numbered_lines(count), in order, none lost and none doubled.
void expect_numbered(const std::vector<std::string>& lines, int count) {
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    ASSERT_NE(lines[static_cast<std::size_t>(i)].find(" F line " + std::to_string(i) + " "), std::string::npos) << i;
}

TEST_F(LogHolder, both_streams_reach_the_file_as_cri_lines) {
  const auto pipes = run(client_->open(kSandbox, "web"));
  ASSERT_TRUE(pipes) << pipes.error().message();
  write_all(pipes->stdout_fifo, "hello\n");
  write_all(pipes->stderr_fifo, "oops\nno line end");
  EXPECT_THAT(drained("web"), ElementsAre(EndsWith("Z stdout F hello"), EndsWith("Z stderr F oops"),
                                          EndsWith("Z stderr F no line end")));
}

TEST_F(LogHolder, ten_megabytes_written_while_no_agent_is_there_are_all_kept) {
  const auto pipes = run(client_->open(kSandbox, "web"));
  disconnect();
  constexpr int kLines = 112'000;  // 10 MB
  write_all(pipes->stdout_fifo, numbered_lines(kLines));
  connect();
  expect_numbered(drained("web"), kLines);
}

TEST_F(LogHolder, a_killed_holder_is_replaced_and_what_is_in_the_pipe_survives) {
  const auto pipes = run(client_->open(kSandbox, "web"));
  // The shim's end stays open over the kill, as it does with a running container.
  const int shim = ::open(pipes->stdout_fifo.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(shim, 0);
  const pid_t first = holder_pid();
  ASSERT_GT(first, 0);
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  wait_unlocked();
  ASSERT_EQ(::write(shim, "while nobody reads\n", 19), 19);
  // Any command finds the next holder; the watch has opened again, or does so now.
  ASSERT_TRUE(run(client_->open(kSandbox, "web")));
  ASSERT_EQ(::write(shim, "afterwards\n", 11), 11);
  EXPECT_THAT(drained("web"), ElementsAre(EndsWith("F while nobody reads"), EndsWith("F afterwards")));
  EXPECT_NE(holder_pid(), first);
  ::close(shim);
}

Task<void> wait_for_log(LogHolderClient& client, aio::SystemClock& clock) {
  for (;;) {
    auto lines = co_await client.read(kSandbox, "web");
    if (lines && !lines->empty()) co_return;
    co_await clock.sleep_for(std::chrono::milliseconds(5));
  }
}

TEST_F(LogHolder, the_watch_opens_again_without_being_asked) {
  const auto pipes = run(client_->open(kSandbox, "web"));
  const int shim = ::open(pipes->stdout_fifo.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::kill(holder_pid(), SIGKILL), 0);
  ASSERT_EQ(::write(shim, "unattended\n", 11), 11);
  run(wait_for_log(*client_, clock_));  // ends by the test's own time limit if it does not happen
  EXPECT_THAT(drained("web"), ElementsAre(EndsWith("F unattended")));
  ::close(shim);
}

TEST_F(LogHolder, a_second_holder_on_the_directory_leaves_the_first_alone) {
  const pid_t first = holder_pid();
  ports::ProcessRequest request;
  request.argv = {options_.program, "--run-dir", options_.run_dir, "--data-dir", options_.data_dir};
  const auto second = run(runner_.run(request));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->exit_code, 0);
  EXPECT_EQ(holder_pid(), first);
}

TEST_F(LogHolder, files_are_rotated_at_the_limit_and_the_newest_lines_are_kept) {
  disconnect();
  options_.bytes_max = 64 * 1024;
  connect();
  const auto pipes = run(client_->open(kSandbox, "web"));
  constexpr int kLines = 10'000;  // about twenty times the limit
  write_all(pipes->stdout_fifo, numbered_lines(kLines));
  const auto lines = drained("web");
  EXPECT_LE(fs::file_size(options_.data_dir + "/logs/sb/web.log"), 64U * 1024);
  EXPECT_LE(fs::file_size(options_.data_dir + "/logs/sb/web.log.1"), 64U * 1024);
  ASSERT_GT(lines.size(), 500U);
  // Whole lines, consecutive to the very last one.
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t number = static_cast<std::size_t>(kLines) - lines.size() + i;
    ASSERT_NE(lines[i].find(" stdout F line " + std::to_string(number) + " "), std::string::npos) << lines[i];
  }
}

TEST_F(LogHolder, removing_deletes_pipes_and_files) {
  ASSERT_TRUE(run(client_->open(kSandbox, "web")));
  EXPECT_TRUE(fs::exists(options_.run_dir + "/io/sb"));
  ASSERT_TRUE(run(client_->remove(kSandbox)));
  EXPECT_FALSE(fs::exists(options_.run_dir + "/io/sb"));
  EXPECT_FALSE(fs::exists(options_.data_dir + "/logs/sb"));
}

TEST_F(LogHolder, only_its_user_may_talk_to_it) {
  const auto mode = fs::status(holder_socket(options_.run_dir)).permissions();
  EXPECT_EQ(mode, fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(LogHolder, it_lives_in_a_session_of_its_own) {
  const pid_t holder = holder_pid();
  EXPECT_EQ(::getsid(holder), holder);
  EXPECT_NE(::getsid(holder), ::getsid(0));
}

}  // namespace
}  // namespace sandboxd::logs
