// Commands: how they start, what they say, how they end.
#include "agent/host.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxd::test {
namespace {

using namespace agent;

class Commands : public ::testing::Test {
 protected:
  Commands() : host(AgentHost::holding()) { host.accept(); }
  Outputs shell(const std::string& script) { return host.run(AgentHost::command({"sh", "-c", script})); }
  AgentHost host;
};

TEST_F(Commands, output_code_and_positions_are_told) {
  const Outputs outputs = shell("echo out; echo err >&2; exit 7");
  EXPECT_EQ(outputs.out, "out\n");
  EXPECT_EQ(outputs.err, "err\n");
  EXPECT_TRUE(outputs.ended.is_over);
  EXPECT_EQ(outputs.ended.code, 7);
  EXPECT_EQ(outputs.ended.signal, 0);
  EXPECT_EQ(outputs.ended.stdout_end, 4U);
  EXPECT_EQ(outputs.ended.stderr_end, 4U);
}

TEST_F(Commands, death_by_a_signal_is_told) {
  const Outputs outputs = shell("kill -KILL $$");
  EXPECT_EQ(outputs.ended.signal, SIGKILL);
  EXPECT_EQ(outputs.ended.code, 128 + SIGKILL);
}

TEST_F(Commands, started_and_exited_tell_pid_and_times) {
  Start start = AgentHost::command({"true"});
  start.command = "one";
  const auto started = host.ask(Type::start, start).as<Started>();
  EXPECT_GT(started.pid, 0);
  EXPECT_GT(started.spawn_ns, 0);
  const Exited exited = host.exited("one");
  EXPECT_EQ(exited.code, 0);
  EXPECT_GE(exited.at_ns, started.at_ns);
}

TEST_F(Commands, what_is_not_there_ends_with_127_and_says_so) {
  const Outputs outputs = host.run(AgentHost::command({"no-such-program"}));
  EXPECT_EQ(outputs.ended.code, 127);
  EXPECT_EQ(outputs.err, "exec no-such-program: No such file or directory\n");
}

TEST_F(Commands, what_cannot_be_run_ends_with_126) {
  EXPECT_EQ(host.run(AgentHost::command({"/etc/passwd"})).ended.code, 126);
  EXPECT_EQ(host.run(AgentHost::command({"/etc"})).ended.code, 126);
  std::ofstream(host.path() + "/empty");
  ::chmod((host.path() + "/empty").c_str(), 0755);
  const Outputs outputs = host.run(AgentHost::command({host.path() + "/empty"}));
  EXPECT_EQ(outputs.ended.code, 126);
  EXPECT_NE(outputs.err.find("Exec format error"), std::string::npos) << outputs.err;
}

TEST_F(Commands, a_missing_directory_is_told_as_what_is_missing) {
  Start start = AgentHost::command({"true"});
  start.cwd = "/no/such";
  const Outputs outputs = host.run(start);
  EXPECT_EQ(outputs.ended.code, 127);
  EXPECT_EQ(outputs.err, "chdir /no/such: No such file or directory\n");
}

TEST_F(Commands, environment_is_the_setups_with_the_commands_over_it) {
  Start start = AgentHost::command({"sh", "-c", "echo $A $B $PATH; pwd"});
  start.env = {"A=1", "B=two words", "PATH=/bin:/usr/bin"};
  start.cwd = "/usr";
  EXPECT_EQ(host.run(start).out, "1 two words /bin:/usr/bin\n/usr\n");
}

TEST_F(Commands, a_command_has_nothing_of_the_agents) {
  // Descriptors (the listing's own is one), blocked and ignored signals.
  EXPECT_EQ(shell("ls /proc/self/fd | tr '\\n' ' '").out, "0 1 2 3 ");
  const std::string signals = shell("grep -E 'Sig(Blk|Ign)' /proc/self/status").out;
  EXPECT_EQ(signals, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  EXPECT_EQ(shell("grep NoNewPrivs /proc/self/status").out, "NoNewPrivs:\t1\n");
  EXPECT_EQ(shell("grep CapBnd /proc/self/status").out,
            ::getuid() == 0 ? "CapBnd:\t00000000a80425fb\n" : shell("grep CapBnd /proc/self/status").out);
}

TEST_F(Commands, stdin_is_given_and_ends) {
  Start start = AgentHost::command({"cat"});
  start.command = "cat";
  start.has_stdin = true;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "cat";
  attach.stdin = true;
  const std::uint32_t call = host.request(Type::attach, attach);
  host.send(Type::data, call, "one ");
  host.send(Type::data, call, "two");
  host.send(Type::eof, call, "");
  const Answered answered = host.finish(call);
  std::string out;
  for (const std::string& piece : answered.pieces) out += decode<Chunk>(piece).value().bytes;
  EXPECT_EQ(out, "one two");
  EXPECT_EQ(answered.as<Ended>().code, 0);
}

TEST_F(Commands, stdin_that_is_closed_is_told) {
  Start start = AgentHost::command({"sh", "-c", "exec <&-; echo closed; sleep 60"});
  start.command = "shut";
  start.has_stdin = true;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "shut";
  attach.stdin = true;
  const std::uint32_t call = host.request(Type::attach, attach);
  while (host.next().type != Type::data) {
  }
  host.send(Type::data, call, "too late");
  Frame frame = host.next();
  while (frame.type != Type::cancel) frame = host.next();
  EXPECT_EQ(frame.call, call);
}

TEST_F(Commands, without_stdin_it_reads_nothing) { EXPECT_EQ(shell("cat; echo end").out, "end\n"); }

TEST_F(Commands, a_signal_reaches_the_whole_group) {
  Start start = AgentHost::command({"sh", "-c", "sleep 60 & echo ready; wait"});
  start.command = "group";
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  ASSERT_FALSE(host.ask(Type::signal, Signal{"group", SIGTERM, true}).failed);
  const Exited exited = host.exited("group");
  EXPECT_EQ(exited.signal, SIGTERM);
  const Answered again = host.ask(Type::signal, Signal{"group", SIGTERM, true});
  ASSERT_TRUE(again.failed);
  EXPECT_EQ(again.failed->error, ESRCH);
}

TEST_F(Commands, too_late_is_killed_with_its_group) {
  Start start = AgentHost::command({"sh", "-c", "trap '' TERM; sleep 60; sleep 60"});
  start.timeout_ms = 50;
  const Outputs outputs = host.run(start);
  EXPECT_TRUE(outputs.ended.timed_out);
  EXPECT_EQ(outputs.ended.signal, SIGKILL);
}

TEST_F(Commands, descendants_with_the_pipes_do_not_delay_the_end) {
  const Outputs outputs = shell("echo first; (sleep 30; echo late) & exit 3");
  EXPECT_EQ(outputs.out, "first\n");
  EXPECT_EQ(outputs.ended.code, 3);
}

TEST_F(Commands, what_closes_its_output_runs_on) {
  const Outputs outputs = shell("exec >&- 2>&-; sleep 0.2; exit 5");
  EXPECT_EQ(outputs.ended.code, 5);
}

TEST_F(Commands, a_full_ring_drops_the_oldest) {
  Start start = AgentHost::command({"sh", "-c", "head -c 100000 /dev/zero | tr '\\0' a; printf end"});
  start.command = "drop";
  start.keep_bytes = 8192;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  host.exited("drop");
  Attach attach;
  attach.command = "drop";
  const Answered answered = host.ask(Type::attach, attach);
  std::string out;
  for (const std::string& piece : answered.pieces) out += decode<Chunk>(piece).value().bytes;
  EXPECT_EQ(out.size(), 8192U);
  EXPECT_EQ(out.substr(out.size() - 4), "aend");
  EXPECT_EQ(decode<Chunk>(answered.pieces.front()).value().position, 100003U - 8192U);
  EXPECT_EQ(answered.as<Ended>().stdout_end, 100003U);
}

TEST_F(Commands, a_full_ring_that_waits_loses_nothing) {
  Start start = AgentHost::command({"sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' a"});
  start.command = "wait";
  start.keep_bytes = 8192;
  start.when_full = WhenFull::wait;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "wait";
  attach.consume = true;
  const Answered answered = host.ask(Type::attach, attach);
  std::size_t size = 0;
  for (const std::string& piece : answered.pieces) size += decode<Chunk>(piece).value().bytes.size();
  EXPECT_EQ(size, 3000000U);
}

TEST_F(Commands, the_list_tells_all_until_they_are_forgotten) {
  Start start = AgentHost::command({"sleep", "60"});
  start.command = "sleeper";
  const auto started = host.ask(Type::start, start).as<Started>();
  EXPECT_EQ(host.ask(Type::start, start).failed.value().error, EEXIST);
  const auto list = host.ask(Type::commands, Empty{}).as<CommandList>();
  ASSERT_EQ(list.commands.size(), 1U);
  EXPECT_EQ(list.commands[0].command, "sleeper");
  EXPECT_EQ(list.commands[0].pid, started.pid);
  EXPECT_FALSE(list.commands[0].state.is_over);
  EXPECT_EQ(host.ask(Type::forget, Forget{"sleeper"}).failed.value().error, EBUSY);
  ASSERT_FALSE(host.ask(Type::signal, Signal{"sleeper", SIGKILL, false}).failed);
  host.exited("sleeper");
  EXPECT_FALSE(host.ask(Type::forget, Forget{"sleeper"}).failed);
  EXPECT_TRUE(host.ask(Type::commands, Empty{}).as<CommandList>().commands.empty());
}

TEST_F(Commands, output_is_kept_over_a_break) {
  Start start = AgentHost::command({"sh", "-c", "echo before; read x; echo after"});
  start.command = "kept";
  start.has_stdin = true;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  host.drop();
  host.accept();
  Attach attach;
  attach.command = "kept";
  attach.stdin = true;
  const std::uint32_t call = host.request(Type::attach, attach);
  host.send(Type::data, call, "go\n");
  const Answered answered = host.finish(call);
  std::string out;
  for (const std::string& piece : answered.pieces) out += decode<Chunk>(piece).value().bytes;
  EXPECT_EQ(out, "before\nafter\n");
}

TEST_F(Commands, a_terminal_is_one) {
  Start start = AgentHost::command({"sh", "-c", "tty >/dev/null && stty size && echo $TERM && echo err >&2"});
  start.terminal = true;
  start.rows = 33;
  start.columns = 99;
  const Outputs outputs = host.run(start);
  EXPECT_EQ(outputs.out, "33 99\r\nxterm-256color\r\nerr\r\n");
  EXPECT_EQ(outputs.ended.code, 0);
}

TEST_F(Commands, a_terminal_is_resized_and_interrupts) {
  Start start =
      AgentHost::command({"sh", "-c", "trap 'stty size; exit 4' WINCH; echo up; while :; do sleep 0.05; done"});
  start.command = "pty";
  start.terminal = true;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "pty";
  attach.stdin = true;
  const std::uint32_t call = host.request(Type::attach, attach);
  while (host.next().type != Type::data) {
  }
  ASSERT_FALSE(host.ask(Type::resize, Resize{"pty", 50, 120}).failed);
  const Answered answered = host.finish(call);
  EXPECT_NE(answered.data.find("50 120"), std::string::npos);
  EXPECT_EQ(answered.as<Ended>().code, 4);
  start = AgentHost::command({"cat"});
  start.command = "cat";
  start.terminal = true;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  attach.command = "cat";
  const std::uint32_t typed = host.request(Type::attach, attach);
  host.send(Type::data, typed, "\x03");
  EXPECT_EQ(host.finish(typed).as<Ended>().signal, SIGINT);
}

TEST_F(Commands, a_user_is_found_by_name) {
  Start start = AgentHost::command({"id", "-u"});
  start.user = "daemon";
  if (::getuid() != 0) {
    start.command = "refused";
    EXPECT_EQ(host.ask(Type::start, start).failed.value().error, EPERM);
    return;
  }
  EXPECT_EQ(host.run(start).out, "1\n");
  start.user = "1234:55";
  start.argv = {"sh", "-c", "id -u; id -g; id -G; grep CapEff /proc/self/status"};
  EXPECT_EQ(host.run(start).out, "1234\n55\n55\nCapEff:\t0000000000000000\n");
  start.user = "nobody-of-that-name";
  start.command = "unknown";
  EXPECT_EQ(host.ask(Type::start, start).failed.value().error, EINVAL);
}

TEST_F(Commands, bad_starts_are_refused_and_leave_nothing) {
  Start start = AgentHost::command({"true"});
  start.command = "bad id";
  EXPECT_EQ(host.ask(Type::start, start).failed.value().error, EINVAL);
  start.command = "ok";
  start.argv.clear();
  EXPECT_EQ(host.ask(Type::start, start).failed.value().error, EINVAL);
  start.argv = {std::string("a\0b", 3)};
  EXPECT_EQ(host.ask(Type::start, start).failed.value().error, EINVAL);
  start.argv = {"true"};
  start.keep_bytes = kKeepBytesMax + 1;
  EXPECT_EQ(host.ask(Type::start, start).failed.value().error, EINVAL);
  EXPECT_TRUE(host.ask(Type::commands, Empty{}).as<CommandList>().commands.empty());
}

TEST_F(Commands, one_consumer_and_one_writer_at_a_time) {
  Start start = AgentHost::command({"cat"});
  start.command = "cat";
  start.has_stdin = true;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "cat";
  attach.stdin = true;
  attach.consume = true;
  const std::uint32_t first = host.request(Type::attach, attach);
  EXPECT_EQ(host.ask(Type::attach, attach).failed.value().error, EBUSY);
  host.send(Type::cancel, first, "");
  EXPECT_EQ(host.finish(first).failed.value().error, ECANCELED);
  const std::uint32_t second = host.request(Type::attach, attach);
  host.send(Type::eof, second, "");
  EXPECT_FALSE(host.finish(second).failed);
}

TEST_F(Commands, a_slow_reader_slows_only_its_own_call) {
  Start start = AgentHost::command({"sh", "-c", "head -c 2000000 /dev/zero"});
  start.command = "much";
  start.keep_bytes = 4 << 20;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  host.exited("much");
  Attach attach;
  attach.command = "much";
  const std::uint32_t slow = host.request(Type::attach, attach);
  std::size_t received = 0;
  while (received < kCreditStart) received += decode<Chunk>(host.next().payload).value().bytes.size();
  EXPECT_EQ(received, kCreditStart);  // and not one byte more
  EXPECT_EQ(shell("echo quick").out, "quick\n");
  host.send(Type::credit, slow, encode(Credit{kCreditStart}));
  const Answered answered = host.finish(slow);
  EXPECT_EQ(received + answered.data.size() - answered.pieces.size() * 13, 2000000U);
}

TEST_F(Commands, a_thousand_leave_nothing_behind) {
  ASSERT_EQ(::getuid(), 0U) << "nobody but root sees the agent's descriptors";
  EXPECT_EQ(shell("echo warm").out, "warm\n");
  ASSERT_FALSE(host.ask(Type::forget, Forget{"run-1"}).failed);
  const std::size_t before = host.descriptors();
  for (int i = 0; i < 1000; ++i) {
    Start start = AgentHost::command({"/bin/true"});
    start.command = "n" + std::to_string(i);
    ASSERT_FALSE(host.ask(Type::start, start).failed);
    ASSERT_EQ(host.exited(start.command).code, 0);
    ASSERT_FALSE(host.ask(Type::forget, Forget{start.command}).failed);
  }
  EXPECT_EQ(host.descriptors(), before);
  EXPECT_TRUE(host.ask(Type::commands, Empty{}).as<CommandList>().commands.empty());
  const auto list = host.ask(Type::processes, Empty{}).as<ProcessList>();
  for (const Process& process : list.processes) EXPECT_NE(process.parent, host.pid()) << process.name;
}

std::size_t resident_kib(const AgentHost& host) {
  std::ifstream file("/proc/" + std::to_string(host.pid()) + "/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

TEST_F(Commands, kept_output_is_given_back_when_it_is_forgotten) {
  shell("echo warm");
  const std::size_t before = resident_kib(host);
  for (const std::string id : {"a", "b", "c"}) {
    Start start = AgentHost::command({"sh", "-c", "head -c 16000000 /dev/zero"});
    start.command = id;
    start.keep_bytes = kKeepBytesMax;
    ASSERT_FALSE(host.ask(Type::start, start).failed);
    host.exited(id);
    EXPECT_GT(resident_kib(host), before + 15'000);
    ASSERT_FALSE(host.ask(Type::forget, Forget{id}).failed);
    EXPECT_LT(resident_kib(host), before + 2'000);
  }
}

TEST_F(Commands, one_that_never_stops_printing_holds_nobody_up) {
  Start start = AgentHost::command({"yes"});
  start.command = "yes";
  start.keep_bytes = 100'000;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "yes";
  const std::uint32_t call = host.request(Type::attach, attach);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(host.ask(Type::ping, Empty{}).failed);
  EXPECT_EQ(shell("echo quick").out, "quick\n");
  host.send(Type::cancel, call, "");
  EXPECT_EQ(host.finish(call).failed.value().error, ECANCELED);
  ASSERT_FALSE(host.ask(Type::signal, Signal{"yes", SIGKILL, true}).failed);
  EXPECT_EQ(host.exited("yes").signal, SIGKILL);
}

TEST_F(Commands, processes_and_ports_are_told) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const auto ports = host.ask(Type::ports, Empty{}).as<PortList>().ports;
  const auto mine = std::find_if(ports.begin(), ports.end(), [&](const Port& port) {
    return port.protocol == "tcp" && port.address == "127.0.0.1" && port.port == ::ntohs(address.sin_port);
  });
  ASSERT_NE(mine, ports.end());
  EXPECT_EQ(mine->pid, ::getpid());
  ::close(listener);
  Start start = AgentHost::command({"sleep", "60"});
  start.command = "sleeper";
  const auto started = host.ask(Type::start, start).as<Started>();
  // Between fork and the end of exec a process has no arguments.
  auto list = host.ask(Type::processes, Empty{}).as<ProcessList>();
  const auto is_dressed = [&](const Process& one) { return one.pid == started.pid && !one.argv.empty(); };
  for (int i = 0; i < 1000 && std::none_of(list.processes.begin(), list.processes.end(), is_dressed); ++i)
    list = host.ask(Type::processes, Empty{}).as<ProcessList>();
  EXPECT_GE(list.active_ns, started.at_ns);
  const auto found = std::find_if(list.processes.begin(), list.processes.end(),
                                  [&](const Process& one) { return one.pid == started.pid; });
  ASSERT_NE(found, list.processes.end());
  EXPECT_EQ(found->command, "sleeper");
  EXPECT_EQ(found->argv, (std::vector<std::string>{"sleep", "60"}));
  EXPECT_EQ(found->uid, ::getuid());
  EXPECT_EQ(found->parent, host.pid());
}

}  // namespace
}  // namespace sandboxd::test
