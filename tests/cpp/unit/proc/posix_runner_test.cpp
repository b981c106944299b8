#include "proc/posix_runner.hpp"

#include "support/run_task.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>

namespace sandboxd::proc {
namespace {

ports::ProcessRequest shell(std::string script) {
  ports::ProcessRequest request;
  request.argv = {"/bin/sh", "-c", std::move(script)};
  return request;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

class PosixRunnerTest : public ::testing::Test {
 protected:
  Result<ports::ProcessOutcome> run(ports::ProcessRequest request) {
    return test::run_task(context, runner.run(std::move(request)));
  }
  void TearDown() override { EXPECT_FALSE(has_children()) << "a child was not reaped"; }

  boost::asio::io_context context;
  PosixRunner runner;
};

TEST_F(PosixRunnerTest, GivesStreamsAndExitCode) {
  auto request = shell("cat; echo err >&2; exit 3");
  request.stdin_text = "in";
  const auto done = run(request).value();
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_EQ(done.stdout_text, "in");
  EXPECT_EQ(done.stderr_text, "err\n");
}

TEST_F(PosixRunnerTest, ALargeInputMayStayUnread) {
  auto request = shell("exit 0");
  request.stdin_text = std::string(4 << 20, 'x');
  EXPECT_EQ(run(request).value().exit_code, 0);
}

TEST_F(PosixRunnerTest, ASignalIsAnExitCode) {
  EXPECT_EQ(run(shell("kill -TERM $$")).value().exit_code, 128 + SIGTERM);
}

TEST_F(PosixRunnerTest, TheEnvironmentIsOnlyTheRequests) {
  ports::ProcessRequest request;
  request.argv = {"/usr/bin/env"};
  request.env = {{"ONLY", "this"}};
  EXPECT_EQ(run(request).value().stdout_text, "ONLY=this\n");
}

TEST_F(PosixRunnerTest, NoOtherDescriptorIsInherited) {
  // 0, 1, 2, and the one with which ls reads the folder.
  EXPECT_EQ(run(shell("ls /proc/self/fd | wc -l")).value().stdout_text, "4\n");
}

TEST_F(PosixRunnerTest, AMissingExecutableIsNotFound) {
  ports::ProcessRequest request;
  request.argv = {"/no/such/program"};
  const auto refused = run(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::not_found);
  EXPECT_NE(refused.error().message().find("/no/such/program"), std::string::npos);
}

TEST_F(PosixRunnerTest, TooMuchOutputKillsTheChild) {
  auto request = shell("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done");
  request.output_bytes_max = 100000;
  const auto refused = run(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::too_large);
}

TEST_F(PosixRunnerTest, TheTimeLimitKillsTheWholeGroup) {
  auto request = shell("sleep 1000 & sleep 1000");
  request.timeout = std::chrono::milliseconds(50);
  const auto start = std::chrono::steady_clock::now();
  const auto refused = run(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST_F(PosixRunnerTest, AHelperThatKeepsTheStreamsDoesNotKeepUs) {
  const auto start = std::chrono::steady_clock::now();
  const auto done = run(shell("echo done; sleep 1000 & exit 0")).value();
  EXPECT_EQ(done.stdout_text, "done\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST_F(PosixRunnerTest, CancellationKillsAndReaps) {
  boost::asio::cancellation_signal stop;
  std::exception_ptr outcome;
  boost::asio::co_spawn(context, runner.run(shell("sleep 1000")),
                        boost::asio::bind_cancellation_slot(
                            stop.slot(), [&](std::exception_ptr e, Result<ports::ProcessOutcome>) { outcome = e; }));
  boost::asio::steady_timer timer(context, std::chrono::milliseconds(20));
  timer.async_wait([&](boost::system::error_code) { stop.emit(boost::asio::cancellation_type::terminal); });
  context.run();
  EXPECT_TRUE(outcome);
}

TEST_F(PosixRunnerTest, ManyRunAtOnce) {
  int finished = 0;
  for (int i = 0; i < 50; ++i) {
    boost::asio::co_spawn(context, runner.run(shell("echo " + std::to_string(i))),
                          [&finished, i](std::exception_ptr, Result<ports::ProcessOutcome> done) {
                            if (done && done->stdout_text == std::to_string(i) + "\n") ++finished;
                          });
  }
  context.run();
  EXPECT_EQ(finished, 50);
}

}  // namespace
}  // namespace sandboxd::proc
