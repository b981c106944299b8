// Commands through everything that happens to agents and to the node's own process.
#include "node/commands.hpp"

#include "node_fixture.hpp"

namespace sandboxd::node {
namespace {

class CommandsTest : public NodeFixture {
 protected:
  CommandsTest() {
    guest_machine_ = std::make_shared<sim::GuestMachine>(context_.get_executor());
    start_agent();
    EXPECT_TRUE(run(agent_->create(simple_request("box"))));
    EXPECT_TRUE(settle("box"));
    key_ = agent_->get(id_)->containers.front().key;
  }
  Commands& commands() { return agent_->commands(); }
  std::string begin() {
    model::CommandSpec spec;
    spec.argv = {"sleep"};
    auto begun = run(commands().begin(id_, spec));
    EXPECT_TRUE(begun) << begun.error().message();
    return begun ? begun->id : "";
  }
  model::Command wait(const std::string& command) {
    auto ended = run(commands().get(id_, command, std::chrono::hours(1)));
    EXPECT_TRUE(ended) << ended.error().message();
    return ended ? *ended : model::Command{};
  }
  void end(const std::string& command, int exit_code) {
    guest_machine_->end(key_, command, exit_code, clock_.wall_now());
  }

  SandboxId id_{"box"};
  std::string key_;
};

TEST_F(CommandsTest, ACommandIsRecordedBeforeItStartsAndItsOutputMovesWhenItEnds) {
  const std::string command = begin();
  ASSERT_EQ(command_rows_->size(), 1U);
  guest_machine_->print(key_, command, "out");
  guest_machine_->print(key_, command, "err", true);
  EXPECT_EQ(run(commands().output(id_, command))->stdout_bytes, "out");
  end(command, 3);
  const model::Command ended = wait(command);
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_EQ(ended.stdout_bytes, 3U);
  pass(std::chrono::seconds(1));
  EXPECT_TRUE(guest_machine_->containers[key_].commands.empty());
  EXPECT_EQ(run(commands().output(id_, command))->stderr_bytes, "err");
}

TEST_F(CommandsTest, OneThatCannotBeStartedLeavesNoRecord) {
  model::CommandSpec spec;
  spec.argv = {"true"};
  spec.user = "nobody-knows";
  const auto begun = run(commands().begin(id_, spec));
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code(), ErrorCode::invalid_argument);
  EXPECT_TRUE(command_rows_->empty());
}

TEST_F(CommandsTest, AnIdIsTakenOnce) {
  model::CommandSpec spec;
  spec.argv = {"true"};
  spec.id = "mine";
  ASSERT_TRUE(run(commands().begin(id_, spec)));
  EXPECT_EQ(run(commands().begin(id_, spec)).error().code(), ErrorCode::already_exists);
  end("mine", 0);
  wait("mine");
  EXPECT_EQ(run(commands().begin(id_, spec)).error().code(), ErrorCode::already_exists);
}

TEST_F(CommandsTest, WhatRunsWhileTheNodeAgentIsAwayGoesOn) {
  const std::string goes_on = begin();
  const std::string ends = begin();
  stop_agent();
  guest_machine_->disconnect(key_);
  guest_machine_->print(key_, ends, "meanwhile");
  end(ends, 5);
  start_agent();
  guest_machine_->connect(key_);
  EXPECT_EQ(wait(ends).exit_code, 5);
  EXPECT_EQ(run(commands().output(id_, ends))->stdout_bytes, "meanwhile");
  EXPECT_FALSE(run(commands().get(id_, goes_on, {}))->exit_code);
  end(goes_on, 0);
  EXPECT_EQ(wait(goes_on).exit_code, 0);
}

TEST_F(CommandsTest, WhatTheAgentDoesNotKnowHasEnded) {
  const std::string command = begin();
  guest_machine_->containers[key_].commands.clear();
  guest_machine_->connect(key_);
  EXPECT_EQ(wait(command).exit_code, -1);
}

TEST_F(CommandsTest, WhatNobodyHereKnowsIsKilled) {
  guest_machine_->containers[key_].commands["exec_left"].state.id = "exec_left";
  guest_machine_->connect(key_);
  EXPECT_TRUE(run_until([&] { return guest_machine_->containers[key_].commands.empty(); }));
}

TEST_F(CommandsTest, TheyEndWithTheirSandboxAndAreReadableUntilItIsDeleted) {
  const std::string command = begin();
  runtime_machine_->exit(key_, 1);
  ASSERT_TRUE(run_until([&] { return phase("box") == model::Phase::failed; }));
  EXPECT_EQ(wait(command).exit_code, -1);
  EXPECT_EQ(wait(command).reason, model::kContainerEnded);
  model::CommandSpec spec;
  spec.argv = {"true"};
  EXPECT_EQ(run(commands().begin(id_, spec)).error().code(), ErrorCode::conflict);
  EXPECT_EQ(run(commands().signal(id_, command, 9, true, {})).error().code(), ErrorCode::conflict);
  ASSERT_TRUE(run(agent_->remove(id_, "")));
  EXPECT_TRUE(command_rows_->empty());
  EXPECT_EQ(run(commands().get(id_, command, {})).error().code(), ErrorCode::not_found);
}

TEST_F(CommandsTest, AFollowerSeesAllOfItOverANewConnectionAndTheEnd) {
  const std::string command = begin();
  auto follow = run(commands().follow(id_, command, {}));
  ASSERT_TRUE(follow);
  guest_machine_->print(key_, command, "one ");
  EXPECT_EQ((*run((*follow)->next()))->bytes, "one ");
  guest_machine_->disconnect(key_);
  guest_machine_->connect(key_);
  guest_machine_->print(key_, command, "two ");
  EXPECT_EQ((*run((*follow)->next()))->bytes, "two ");
  guest_machine_->print(key_, command, "three");
  end(command, 0);
  EXPECT_EQ((*run((*follow)->next()))->bytes, "three");
  EXPECT_FALSE(*run((*follow)->next()));
  EXPECT_EQ((*follow)->command().exit_code, 0);
}

TEST_F(CommandsTest, AFinishedOneIsFollowedFromAPosition) {
  const std::string command = begin();
  guest_machine_->print(key_, command, "0123456789");
  end(command, 0);
  wait(command);
  auto follow = run(commands().follow(id_, command, {.stdout_position = 4, .stderr_position = 0, .has_stdin = false}));
  ASSERT_TRUE(follow);
  const auto piece = run((*follow)->next());
  EXPECT_EQ((*piece)->bytes, "456789");
  EXPECT_EQ((*piece)->position, 4U);
}

TEST_F(CommandsTest, AnExecLeavesNoRecordAndItsCallerTakesItAlong) {
  model::CommandSpec spec;
  spec.argv = {"true"};
  auto exec = run(commands().exec(id_, spec, std::nullopt));
  ASSERT_TRUE(exec);
  EXPECT_TRUE(command_rows_->empty());
  EXPECT_EQ(guest_machine_->containers[key_].commands.size(), 1U);
  exec->reset();
  EXPECT_TRUE(run_until([&] { return guest_machine_->containers[key_].commands.empty(); }));
}

TEST_F(CommandsTest, AnExecRunsToItsEnd) {
  model::CommandSpec spec;
  spec.argv = {"true"};
  auto exec = run(commands().exec(id_, spec, std::nullopt));
  ASSERT_TRUE(exec);
  const std::string command = guest_machine_->containers[key_].commands.begin()->first;
  guest_machine_->print(key_, command, "said");
  end(command, 4);
  const auto outcome = run((*exec)->finish());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->command.exit_code, 4);
  EXPECT_EQ(outcome->output.stdout_bytes, "said");
  EXPECT_EQ(outcome->run_ns, clock_.wall_now().ns);  // this agent starts everything at 0
  exec->reset();
  EXPECT_TRUE(run_until([&] { return guest_machine_->containers[key_].commands.empty(); }));
  EXPECT_TRUE(command_rows_->empty());
}

TEST_F(CommandsTest, AnAgentThatLiesAboutTheTimeHasRunNothing) {
  for (const std::int64_t at : {std::int64_t{-1}, INT64_MIN}) {
    auto exec = run(commands().exec(id_, {.argv = {"true"}}, std::nullopt));
    ASSERT_TRUE(exec);
    guest_machine_->end(key_, guest_machine_->containers[key_].commands.rbegin()->first, 0, WallTime{at});
    EXPECT_EQ(run((*exec)->finish())->run_ns, 0);
    exec->reset();
    EXPECT_TRUE(run_until([&] { return guest_machine_->containers[key_].commands.empty(); }));
  }
}

TEST_F(CommandsTest, OnlyFinishedOnesAreRemoved) {
  const std::string command = begin();
  EXPECT_EQ(run(commands().remove(id_, command)).error().code(), ErrorCode::conflict);
  ASSERT_TRUE(run(commands().signal(id_, command, 15, true, std::chrono::seconds(5))));
  EXPECT_EQ(wait(command).exit_code, 143);
  EXPECT_TRUE(run(commands().remove(id_, command)));
  EXPECT_EQ(run(commands().get(id_, command, {})).error().code(), ErrorCode::not_found);
}

TEST_F(CommandsTest, NamesThatAreNotThereAreTold) {
  model::CommandSpec spec;
  spec.argv = {"true"};
  EXPECT_EQ(run(commands().begin(SandboxId("none"), spec)).error().code(), ErrorCode::not_found);
  spec.container = "none";
  EXPECT_EQ(run(commands().begin(id_, spec)).error().code(), ErrorCode::not_found);
  EXPECT_EQ(run(commands().get(id_, "none", {})).error().code(), ErrorCode::not_found);
}

TEST_F(CommandsTest, WhatOneThatRunsHasWrittenIsCounted) {
  const std::string command = begin();
  guest_machine_->print(key_, command, "12345");
  guest_machine_->print(key_, command, "123", true);
  EXPECT_EQ(run(commands().get(id_, command, {}))->stdout_bytes, 5U);
  const auto listed = run(commands().list(id_));
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->front().stderr_bytes, 3U);
  EXPECT_FALSE(listed->front().exit_code);
}

TEST_F(CommandsTest, WhatEndsBecauseItsContainerDoesKeepsItsOutputAndSaysWhy) {
  const std::string ends_before = begin();
  const std::string ends_with_it = begin();
  end(ends_before, 0);
  guest_machine_->print(key_, ends_with_it, "so far");
  guest_machine_->tell(ports::GuestEnding{key_});
  end(ends_with_it, 137);
  const model::Command ended = wait(ends_with_it);
  EXPECT_EQ(ended.exit_code, 137);
  EXPECT_EQ(ended.reason, model::kContainerEnded);
  EXPECT_EQ(run(commands().output(id_, ends_with_it))->stdout_bytes, "so far");
  EXPECT_EQ(wait(ends_before).reason, "");
}

TEST_F(CommandsTest, OutputIsSavedBeforeAStopKills) {
  const std::string command = begin();
  guest_machine_->print(key_, command, "so far");
  LifeAsk at_once;
  at_once.grace = Duration::zero();
  ASSERT_TRUE(run(agent_->stop(id_, at_once)));
  const model::Command ended = wait(command);
  EXPECT_EQ(ended.exit_code, -1);
  EXPECT_EQ(ended.reason, model::kContainerEnded);
  EXPECT_EQ(ended.stdout_bytes, 6U);
  EXPECT_EQ(run(commands().output(id_, command))->stdout_bytes, "so far");
}

TEST_F(CommandsTest, AnExecWhoseContainerIsGoneGivesWhatItWrote) {
  model::CommandSpec spec;
  spec.argv = {"true"};
  auto exec = run(commands().exec(id_, spec, std::nullopt));
  ASSERT_TRUE(exec);
  const std::string command = guest_machine_->containers[key_].commands.begin()->first;
  guest_machine_->print(key_, command, "so far");
  std::optional<Result<ExecOutcome>> outcome;
  boost::asio::co_spawn(context_, (*exec)->finish(),
                        [&](std::exception_ptr, Result<ExecOutcome> got) { outcome.emplace(std::move(got)); });
  pass(std::chrono::milliseconds(10));
  ASSERT_FALSE(outcome);
  guest_machine_->disconnect(key_);
  ASSERT_TRUE(run_until([&] { return outcome.has_value(); }));
  ASSERT_TRUE(*outcome);
  EXPECT_EQ((*outcome)->command.exit_code, -1);
  EXPECT_EQ((*outcome)->command.reason, model::kContainerEnded);
  EXPECT_EQ((*outcome)->output.stdout_bytes, "so far");
}

}  // namespace
}  // namespace sandboxd::node
