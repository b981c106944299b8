// Commands in containers without an in-sandbox agent.
#include "node/runtime_commands.hpp"

#include "node/commands.hpp"
#include "node_fixture.hpp"

namespace sandboxd::node {
namespace {

class RuntimeCommandsTest : public NodeFixture {
 protected:
  RuntimeCommandsTest() {
    has_exec_ = true;
    start_agent();
    auto request = simple_request("box");
    request.spec.agent = false;
    EXPECT_TRUE(run(agent_->create(request)));
    EXPECT_TRUE(settle("box"));
  }
  Commands& commands() { return agent_->commands(); }
  static model::CommandSpec spec() {
    model::CommandSpec spec;
    spec.argv = {"cat"};
    spec.has_stdin = true;
    return spec;
  }
  std::string begin(model::CommandSpec what) {
    auto begun = run(commands().begin(id_, std::move(what)));
    EXPECT_TRUE(begun) << begun.error().message();
    return begun ? begun->id : "";
  }
  sim::MemoryProcess& process() { return *exec_.processes.back(); }
  model::Command wait(const std::string& command) {
    auto ended = run(commands().get(id_, command, std::chrono::hours(1)));
    EXPECT_TRUE(ended) << ended.error().message();
    return ended ? *ended : model::Command{};
  }

  SandboxId id_{"box"};
};

TEST_F(RuntimeCommandsTest, ItRunsAndItsOutputAndEndAreKept) {
  auto asked = spec();
  asked.env["A"] = "b";
  asked.cwd = "/tmp";
  asked.user = "nobody";
  const std::string command = begin(asked);
  EXPECT_EQ(process().request.key, agent_->get(id_)->containers.front().key);
  EXPECT_EQ(process().request.user, "nobody");
  process().print("out");
  process().print("err", true);
  run_until([&] { return process().unread[0].empty() && process().unread[1].empty(); });
  EXPECT_EQ(run(commands().output(id_, command))->stdout_bytes, "out");
  process().end(3);
  const model::Command ended = wait(command);
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_EQ(ended.stderr_bytes, 3U);
  EXPECT_EQ(run(commands().output(id_, command))->stderr_bytes, "err");
  EXPECT_TRUE(run_until([&] { return process().is_forgotten; }));
}

TEST_F(RuntimeCommandsTest, WhatCannotBeRunEndsLikeInAShell) {
  exec_.refusal = Error(ErrorCode::not_found, "exec /no/such: no such file or directory");
  const std::string command = begin(spec());
  EXPECT_EQ(wait(command).exit_code, 127);
  EXPECT_NE(run(commands().output(id_, command))->stderr_bytes.find("/no/such"), std::string::npos);
  exec_.refusal = Error(ErrorCode::permission_denied, "exec /etc/passwd: permission denied");
  EXPECT_EQ(wait(begin(spec())).exit_code, 126);
  exec_.refusal = Error(ErrorCode::invalid_argument, "no user nobody-knows");
  EXPECT_EQ(run(commands().begin(id_, spec())).error().code(), ErrorCode::invalid_argument);
}

TEST_F(RuntimeCommandsTest, ATimeLimitKillsItsGroup) {
  auto asked = spec();
  asked.timeout = std::chrono::seconds(5);
  const std::string command = begin(asked);
  const MonoTime before = clock_.mono_now();
  const model::Command ended = wait(command);
  EXPECT_GE(clock_.mono_now() - before, std::chrono::seconds(5));
  EXPECT_EQ(process().signals, (std::vector<std::pair<int, bool>>{{9, true}}));
  EXPECT_TRUE(ended.timed_out);
  EXPECT_EQ(ended.exit_code, 137);
  EXPECT_EQ(ended.signal, 9);
}

TEST_F(RuntimeCommandsTest, AnExitCodeAboveIsNoSignalThatNobodySent) {
  const std::string command = begin(spec());
  process().end(143);
  EXPECT_EQ(wait(command).signal, 0);
}

TEST_F(RuntimeCommandsTest, DescendantsThatHoldItsPipesDoNotHoldUpItsEnd) {
  const std::string command = begin(spec());
  process().print("last words");
  process().end(0, false);
  const MonoTime before = clock_.mono_now();
  EXPECT_EQ(wait(command).exit_code, 0);
  EXPECT_LE(clock_.mono_now() - before, std::chrono::seconds(1));
  EXPECT_EQ(run(commands().output(id_, command))->stdout_bytes, "last words");
}

TEST_F(RuntimeCommandsTest, AFollowerSeesItLiveAndFeedsIt) {
  const std::string command = begin(spec());
  auto follow = run(commands().follow(id_, command, {.has_stdin = true}));
  ASSERT_TRUE(follow);
  process().print("one ");
  EXPECT_EQ((*run((*follow)->next()))->bytes, "one ");
  ASSERT_TRUE(run((*follow)->write_stdin("in")));
  ASSERT_TRUE(run((*follow)->close_stdin()));
  EXPECT_EQ(process().stdin_bytes, "in");
  EXPECT_TRUE(process().is_stdin_closed);
  process().print("two");
  process().end(0);
  EXPECT_EQ((*run((*follow)->next()))->bytes, "two");
  EXPECT_FALSE(*run((*follow)->next()));
  EXPECT_EQ((*follow)->command().exit_code, 0);
}

TEST_F(RuntimeCommandsTest, AFullBufferDropsTheOldestOrWaits) {
  auto asked = spec();
  asked.keep_bytes = 4;
  const std::string drops = begin(asked);
  process().print("0123456789");
  process().end(0);
  EXPECT_EQ(wait(drops).stdout_bytes, 10U);
  EXPECT_EQ(run(commands().output(id_, drops))->stdout_bytes, "6789");

  asked.wait_for_reader = true;
  const std::string waits = begin(asked);
  process().print("0123456789");
  pass(std::chrono::seconds(1));
  EXPECT_EQ(process().unread[0], "456789");
  auto follow = run(commands().follow(id_, waits, {}));
  ASSERT_TRUE(follow);
  std::string read;
  while (read.size() < 10) read += (*run((*follow)->next()))->bytes;
  EXPECT_EQ(read, "0123456789");
}

TEST_F(RuntimeCommandsTest, WhatRunsWhileTheNodeAgentEndsIsEndedByTheNext) {
  const std::string command = begin(spec());
  restart_agent();
  EXPECT_EQ(wait(command).exit_code, -1);
  EXPECT_EQ(wait(command).reason, model::kNodeRestarted);
  EXPECT_EQ(exec_.ended_left, 2);  // at each start
}

TEST_F(RuntimeCommandsTest, AnExecThatIsLetGoOfIsKilled) {
  auto exec = run(commands().exec(id_, spec(), "in"));
  ASSERT_TRUE(exec);
  exec->reset();
  EXPECT_TRUE(run_until([&] { return process().is_forgotten; }));
  EXPECT_EQ(process().signals.front().first, 9);
  EXPECT_TRUE(command_rows_->empty());
}

TEST_F(RuntimeCommandsTest, FilesNeedTheAgent) {
  const auto target = commands().target(id_, "");
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().code(), ErrorCode::unsupported);
  EXPECT_NE(target.error().message().find("\"agent\": true"), std::string::npos);
}

}  // namespace
}  // namespace sandboxd::node
