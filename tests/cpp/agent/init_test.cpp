// The first process: the main process, its end, signals, orphans, holding, and a node that is not there.
#include "agent/host.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxd::test {
namespace {

using namespace agent;

Setup running(const std::string& script) {
  agent::Setup setup = AgentHost::holding();
  setup.argv = {"sh", "-c", script};
  return setup;
}

// Until the program has written `text` to its output.
void wait_for_output(const AgentHost& host, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (host.output().find(text) == std::string::npos) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no " << text << " in: " << host.output();
    ::usleep(2000);
  }
}

TEST(Init, the_main_process_runs_and_ends_without_a_node) {
  AgentHost host(running("echo hello; exit 9"), false, false);
  EXPECT_EQ(host.wait(), 9);
  EXPECT_EQ(host.output(), "hello\n");
}

TEST(Init, its_end_is_told) {
  AgentHost host(running("sleep 0.3; exit 9"));
  const Hello hello = host.accept();
  EXPECT_EQ(hello.version, kVersion);
  EXPECT_EQ(hello.main, MainState::running);
  const Exited exited = host.exited("");
  EXPECT_EQ(exited.code, 9);
  EXPECT_EQ(host.wait(), 9);
}

TEST(Init, death_by_a_signal_is_its_code) {
  AgentHost host(running("kill -SEGV $$"));
  EXPECT_EQ(host.wait(), 128 + SIGSEGV);
}

TEST(Init, what_cannot_be_run_is_told_and_ends) {
  agent::Setup setup = AgentHost::holding();
  setup.argv = {"/no/such/program"};
  AgentHost host(setup);
  const Hello hello = host.accept();
  EXPECT_EQ(hello.main, MainState::unstarted);
  EXPECT_EQ(hello.main_errno, ENOENT);
  EXPECT_EQ(hello.main_error, "exec /no/such/program: No such file or directory");
  EXPECT_EQ(host.wait(), 127);
  EXPECT_EQ(host.output(), "exec /no/such/program: No such file or directory\n");
}

TEST(Init, a_setup_that_is_none_is_refused) {
  agent::Setup setup = AgentHost::holding();
  setup.version = 99;
  AgentHost host(setup);
  EXPECT_EQ(host.wait(), 125);
  EXPECT_NE(host.output().find("version 99"), std::string::npos);
}

TEST(Init, signals_reach_the_main_process) {
  AgentHost host(running("trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.05; done"));
  wait_for_output(host, "ready\n");
  host.kill(SIGUSR1);
  EXPECT_EQ(host.wait(), 3);
  EXPECT_EQ(host.output(), "ready\ngot\n");
}

TEST(Init, holding_runs_until_it_is_told_to_stop) {
  AgentHost host(AgentHost::holding());
  EXPECT_EQ(host.accept().main, MainState::none);
  Start start = AgentHost::command({"sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"});
  start.command = "one";
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "one";
  const std::uint32_t call = host.request(Type::attach, attach);
  while (host.next().type != Type::data) {
  }
  host.kill(SIGTERM);
  EXPECT_NE(host.finish(call).data.find("bye"), std::string::npos);
  ASSERT_FALSE(host.ask(Type::forget, Forget{"one"}).failed);
  EXPECT_EQ(host.wait(), 0);
}

TEST(Init, holding_kills_what_does_not_go) {
  AgentHost host(AgentHost::holding());
  host.accept();
  Start start = AgentHost::command({"sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"});
  start.command = "stays";
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "stays";
  const std::uint32_t call = host.request(Type::attach, attach);
  while (host.next().type != Type::data) {
  }
  const auto before = std::chrono::steady_clock::now();
  host.kill(SIGTERM);
  EXPECT_FALSE(host.finish(call).failed);
  ASSERT_FALSE(host.ask(Type::forget, Forget{"stays"}).failed);
  EXPECT_EQ(host.wait(), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(900));
}

// A command of a main process that has ended by now, and the node has not asked for its output.
void start_and_end_main(AgentHost& host) {
  Start start = AgentHost::command({"sh", "-c", "echo so far; kill -TERM $PPID; exec sleep 100000"});
  start.command = "told";
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  host.exited("told");
}

void take_output(AgentHost& host) {
  Attach attach;
  attach.command = "told";
  EXPECT_NE(host.ask(Type::attach, attach).data.find("so far"), std::string::npos);
  ASSERT_FALSE(host.ask(Type::forget, Forget{"told"}).failed);
  EXPECT_EQ(host.wait(), 128 + SIGTERM);
}

TEST(Init, output_waits_at_the_end_for_a_node_that_is_slow) {
  AgentHost host(running("exec sleep 100000"));
  host.accept();
  start_and_end_main(host);
  ::usleep(1'500'000);
  take_output(host);
}

TEST(Init, output_waits_at_the_end_for_a_node_that_is_away) {
  AgentHost host(running("exec sleep 100000"));
  host.accept();
  start_and_end_main(host);
  host.drop();
  ::usleep(300'000);
  host.accept();
  take_output(host);
}

TEST(Init, it_connects_again_after_every_break_and_is_the_same_life) {
  AgentHost host(AgentHost::holding());
  const Hello first = host.accept();
  for (int i = 0; i < 3; ++i) {
    host.drop();
    EXPECT_EQ(host.accept().life, first.life);
  }
}

TEST(Init, a_node_that_comes_late_is_found) {
  AgentHost host(running("echo ready; sleep 60"), false, false);
  wait_for_output(host, "ready\n");
  host.listen();
  EXPECT_EQ(host.accept().main, MainState::running);
}

TEST(Init, a_main_process_that_closes_its_output_ends_the_log) {
  ASSERT_EQ(::getuid(), 0U) << "nobody but root sees the agent's descriptors";
  AgentHost host(running("readlink /proc/self/fd/1; sleep 60"));
  wait_for_output(host, "output\n");
  // Only the main process has it open then.
  const std::string own = "/proc/" + std::to_string(host.pid()) + "/fd/1";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::filesystem::read_symlink(own) != "/dev/null") {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    ::usleep(2000);
  }
}

class AsInit : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::getuid(), 0U) << "a PID namespace needs root"; }
};

TEST_F(AsInit, orphans_are_reaped) {
  AgentHost host(AgentHost::holding(), true);
  host.accept();
  EXPECT_EQ(
      host.run(AgentHost::command({"sh", "-c", "for i in 1 2 3 4 5; do (sh -c 'sleep 0.05 &' &); done"})).ended.code,
      0);
  const auto are_gone = [&] {
    const auto list = host.ask(Type::processes, Empty{}).as<ProcessList>();
    return list.processes.size() == 1 && list.processes[0].pid == 1;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!are_gone()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    ::usleep(5000);
  }
}

TEST_F(AsInit, the_end_of_the_main_process_ends_all) {
  AgentHost host(running("setsid sh -c 'trap \"\" TERM HUP; sleep 60' & sleep 0.2; exit 4"), true);
  EXPECT_EQ(host.wait(), 4);
}

TEST_F(AsInit, no_process_of_another_user_may_trace_or_end_it) {
  AgentHost host(AgentHost::holding(), true);
  host.accept();
  Start start = AgentHost::command({"sh", "-c", "kill -KILL 1; kill -STOP 1; cat /proc/1/environ; ls /proc/1/fd"});
  start.user = "1000";
  const Outputs outputs = host.run(start);
  EXPECT_NE(outputs.ended.code, 0);
  EXPECT_EQ(outputs.out, "");
  start.user = "";  // root: signals have no effect on the first process
  start.argv = {"sh", "-c", "kill -KILL 1; kill -STOP 1; echo done"};
  EXPECT_EQ(host.run(start).out, "done\n");
  EXPECT_FALSE(host.ask(Type::ping, Empty{}).failed);
}

TEST_F(AsInit, another_users_main_process_has_only_his_rights) {
  agent::Setup setup =
      running("id -u; id -g; id -G; grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status; kill -TERM 1; echo no");
  setup.identity.uid = 1234;
  setup.identity.gid = 55;
  setup.identity.groups = {55, 77};
  AgentHost host(setup, true);
  host.wait();
  const std::string output = host.output();
  EXPECT_NE(output.find("1234\n55\n55 77\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"), std::string::npos)
      << output;
  EXPECT_NE(output.find("CapBnd:\t00000000a80425fb\n"), std::string::npos) << output;
  EXPECT_NE(output.find("no\n"), std::string::npos) << output;
}

}  // namespace
}  // namespace sandboxd::test
