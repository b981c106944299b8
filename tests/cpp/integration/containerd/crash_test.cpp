// kill -9 of the daemon, of shims and of sandboxes: everything is found again or taken away, and nothing stays behind.
#include "containerd/leftovers.hpp"
#include "integration/containerd/containerd_fixture.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

namespace sandboxd::test {
namespace {

using ports::FoundContainer;
using testing::HasSubstr;
using testing::Not;

class Crash : public ContainerdFixture, public testing::WithParamInterface<const char*> {
 protected:
  std::string handler() const { return GetParam(); }
  std::string bundle(const std::string& key) const {
    return daemon_->state_dir() + "/io.containerd.runtime.v2.task/k8s.io/" + key;
  }
  FoundContainer find(const std::string& key) {
    const auto found = run(runtime_->list());
    EXPECT_TRUE(found) << found.error().message();
    if (found) {
      for (const FoundContainer& one : *found) {
        if (one.key == key) return one;
      }
    }
    return {};
  }
  void expect_gone(const std::string& key) {
    EXPECT_EQ(find(key).key, "");
    EXPECT_FALSE(std::filesystem::exists(bundle(key)));
    EXPECT_TRUE(containerd::processes_of(bundle(key)).empty());
    EXPECT_THAT(daemon_->ctr({"snapshots", "ls"}), Not(HasSubstr(key)));
    EXPECT_THAT(daemon_->ctr({"containers", "ls"}), Not(HasSubstr(key)));
    for (const auto& controller : std::filesystem::directory_iterator("/sys/fs/cgroup")) {
      const auto group = controller.path() / daemon_->name() / key;
      EXPECT_FALSE(std::filesystem::exists(group))
          << group << " holds "
          << run_shell("for p in $(cat " + (group / "cgroup.procs").string() +
                       "); do tr '\\0' ' ' < /proc/$p/cmdline; cat /proc/$p/stat; done");
    }
    for (const std::string directory : {"/run/containerd/runc/k8s.io", "/run/containerd/runsc/k8s.io"}) {
      if (!std::filesystem::exists(directory)) continue;
      for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        EXPECT_THAT(entry.path().string(), Not(HasSubstr(key)));
      }
    }
  }
  // gRPC tries again after at most a second.
  void wait_until_it_answers() {
    const MonoTime give_up = clock_.mono_now() + std::chrono::seconds(10);
    while (!run(runtime_->check()) && clock_.mono_now() < give_up) {
      run_task(io_, clock_.sleep_for(std::chrono::milliseconds(50)));
    }
  }
  // Gone, or a zombie that whoever inherited it has not reaped yet.
  static bool is_dead(std::uint32_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(file, line)) return true;
    const std::string rest = line.substr(line.rfind(')') + 1);
    return rest.starts_with(" Z") || rest.starts_with(" X");
  }
  pid_t shim_of(const std::string& key) {
    for (const pid_t pid : containerd::processes_of(bundle(key))) {
      std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
      std::string name;
      std::getline(file, name);
      if (name.starts_with("containerd-shim")) return pid;
    }
    return -1;
  }
};

// A shim sees that its task has stopped before it knows the exit code.
TEST_P(Crash, AListToldAtTheMomentOfTheEndHasTheTrueExitCode) {
  for (int i = 0; i != 10; ++i) {
    const auto container = request(handler(), "end" + std::to_string(i), {"/bin/sh", "-c", "sleep 0.3; exit 7"});
    create(container);
    start(container.key);
    FoundContainer found = find(container.key);
    while (found.task == FoundContainer::Task::running) found = find(container.key);
    EXPECT_EQ(found.task, FoundContainer::Task::stopped);
    EXPECT_EQ(found.exit_code, 7);
    EXPECT_TRUE(run(runtime_->remove(container.key)));
  }
}

TEST_P(Crash, ContainersOutliveTheDaemonAndAreFoundAgain) {
  const auto container = request(handler(), "outlives", {"sleep", "1000"});
  (void)run(runtime_->list());
  create(container);
  const auto pid = start(container.key);
  daemon_->kill_daemon();

  const auto broken = run(runtime_->next_event());
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code(), ErrorCode::unavailable);
  const auto refused = run(runtime_->check());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr(daemon_->socket()));
  EXPECT_EQ(kill(static_cast<pid_t>(pid), 0), 0);

  daemon_->start_daemon();
  wait_until_it_answers();
  const auto found = find(container.key);
  EXPECT_EQ(found.task, FoundContainer::Task::running);
  EXPECT_EQ(found.pid, pid);
  ASSERT_TRUE(run(runtime_->remove(container.key)));
  EXPECT_TRUE(is_dead(pid));
  expect_gone(container.key);
}

TEST_P(Crash, ADeadShimIsCleanedUpAfter) {
  const auto container = request(handler(), "shimless", {"sleep", "1000"});
  create(container);
  const auto pid = start(container.key);
  const pid_t shim = shim_of(container.key);
  ASSERT_GT(shim, 0);
  kill(shim, SIGKILL);
  const auto gone = run(runtime_->remove(container.key));
  EXPECT_TRUE(gone) << gone.error().message();
  EXPECT_TRUE(is_dead(pid));
  expect_gone(container.key);
}

TEST_P(Crash, AHungShimIsToldAsEndedAndKilled) {
  const auto container = request(handler(), "hung", {"sleep", "1000"});
  create(container);
  const auto pid = start(container.key);
  const pid_t shim = shim_of(container.key);
  ASSERT_GT(shim, 0);
  kill(shim, SIGSTOP);
  const auto silent = find(container.key);
  EXPECT_EQ(silent.task, FoundContainer::Task::stopped);
  EXPECT_EQ(silent.exit_code, std::nullopt);
  kill(shim, SIGCONT);
  EXPECT_EQ(find(container.key).task, FoundContainer::Task::running) << "to be told is not to be killed";
  kill(shim, SIGSTOP);
  const auto gone = run(runtime_->remove(container.key));
  EXPECT_TRUE(gone) << gone.error().message();
  EXPECT_TRUE(is_dead(pid));
  expect_gone(container.key);
}

TEST_P(Crash, ADeadDaemonAndShimTogetherLeaveNothing) {
  const auto container = request(handler(), "both", {"sleep", "1000"});
  create(container);
  const auto pid = start(container.key);
  const pid_t shim = shim_of(container.key);
  daemon_->kill_daemon();
  kill(shim, SIGKILL);
  daemon_->start_daemon();
  wait_until_it_answers();
  const auto gone = run(runtime_->remove(container.key));
  EXPECT_TRUE(gone) << gone.error().message();
  EXPECT_TRUE(is_dead(pid));
  expect_gone(container.key);
}

// As after a kill of the daemon while a shim came up, before its address was written down.
TEST_P(Crash, AShimThatTheDaemonForgotIsKilled) {
  const auto container = request(handler(), "forgotten", {"sleep", "1000"});
  create(container);
  const auto pid = start(container.key);
  const pid_t shim = shim_of(container.key);
  ASSERT_GT(shim, 0);
  daemon_->kill_daemon();
  ASSERT_TRUE(std::filesystem::remove(bundle(container.key) + "/address"));
  daemon_->start_daemon();
  wait_until_it_answers();
  const auto gone = run(runtime_->remove(container.key));
  EXPECT_TRUE(gone) << gone.error().message();
  EXPECT_TRUE(is_dead(pid));
  EXPECT_TRUE(is_dead(static_cast<std::uint32_t>(shim)));
  expect_gone(container.key);
}

TEST_P(Crash, AKilledSandboxIsAnExit) {
  const auto container = request(handler(), "killed", {"sleep", "1000"});
  (void)run(runtime_->list());
  create(container);
  const auto pid = start(container.key);
  kill(static_cast<pid_t>(pid), SIGKILL);
  EXPECT_EQ(wait_exit(container.key), 137);
  EXPECT_EQ(find(container.key).task, FoundContainer::Task::stopped);
  ASSERT_TRUE(run(runtime_->remove(container.key)));
  expect_gone(container.key);
}

TEST_P(Crash, ARecordWithoutATaskIsListedAndRemoved) {
  // What an agent leaves that died between the record and the task: made here by a create that runs out of time.
  stop_adapter();
  auto options = daemon_->options("t");
  options.create_timeout = std::chrono::milliseconds(1);
  auto made = containerd::ContainerdRuntime::make(io_.get_executor(), clock_, options);
  ASSERT_TRUE(made);
  runtime_ = std::move(*made);
  const auto container = request(handler(), "hasty", {"sleep", "1000"});
  const auto failed = run(runtime_->create(container));
  ASSERT_FALSE(failed);
  expect_gone(container.key);
}

TEST_P(Crash, AnotherOwnersContainerIsLeftAlone) {
  const auto container = request(handler(), "mine", {"sleep", "1000"});
  create(container);
  auto made = containerd::ContainerdRuntime::make(io_.get_executor(), clock_, daemon_->options("other"));
  ASSERT_TRUE(made);
  EXPECT_TRUE(run((*made)->list())->empty());
  const auto refused = run((*made)->remove(container.key));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  run_task(io_, (*made)->close());
  EXPECT_EQ(find(container.key).task, FoundContainer::Task::created);
}

INSTANTIATE_TEST_SUITE_P(Handlers, Crash, testing::Values("runc", "runsc"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace sandboxd::test
