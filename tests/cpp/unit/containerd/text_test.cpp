#include "containerd/daemon_config.hpp"
#include "containerd/handler.hpp"
#include "containerd/leftovers.hpp"
#include "containerd/runtime_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxd::containerd {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(RuntimeText, LosesItsLayers) {
  EXPECT_EQ(clean_runtime_text("failed to create shim task: OCI runtime create failed: runc create failed: unable to "
                               "start container process: exec: \"nope\": executable file not found in $PATH: unknown"),
            "exec: \"nope\": executable file not found in $PATH");
  EXPECT_EQ(clean_runtime_text("plain"), "plain");
  EXPECT_EQ(clean_runtime_text("a\nb\n"), "a b");
  EXPECT_LE(clean_runtime_text(std::string(100000, 'x')).size(), 4096U);
}

TEST(RuntimeText, APullNamesItsCauseOnly) {
  EXPECT_EQ(clean_pull_text("failed to pull and unpack image \"x/y:1\": failed to resolve reference \"x/y:1\": "
                            "x/y:1: not found"),
            "x/y:1: not found");
}

TEST(Handler, GvisorsShimIsToldOfItsFile) {
  const auto runsc = find_handler("runsc", "/run/x/runsc.toml");
  ASSERT_TRUE(runsc);
  EXPECT_EQ(runsc->runtime, "io.containerd.runsc.v1");
  EXPECT_EQ(runsc->options_type, "runtimeoptions.v1.Options");
  EXPECT_EQ(runsc->options_bytes, "\x0a\x1eio.containerd.runsc.v1.options\x12\x11/run/x/runsc.toml");
  EXPECT_TRUE(find_handler("runc", "")->options_type.empty());
  EXPECT_EQ(find_handler("kata", "").error().code(), ErrorCode::unsupported);
}

TEST(Handler, FlagsAreQuotedAndOverrideDefaults) {
  EXPECT_EQ(make_runsc_config("", {{"network", "none"}}),
            "# Written at every start of the node agent.\nlog_level = \"warning\"\n\n[runsc_config]\n"
            "\"host-uds\" = \"open\"\n\"network\" = \"none\"\n\"platform\" = \"systrap\"\n");
  EXPECT_THAT(make_runsc_config("/opt/runsc", {{"platform", "pt\"race\n"}}),
              testing::AllOf(HasSubstr("binary_name = \"/opt/runsc\""), HasSubstr("\"pt\\\"race\\u000A\"")));
}

TEST(DaemonConfig, KeepsTheDaemonToItself) {
  DaemonOptions options;
  options.root_dir = "/data/containerd";
  options.state_dir = "/run/s/containerd";
  options.socket_path = "/run/s/containerd.sock";
  const std::string text = make_daemon_config(options);
  EXPECT_THAT(text, testing::StartsWith("# A private containerd"));
  EXPECT_THAT(text, HasSubstr("version = 2\nroot = \"/data/containerd\"\nstate = \"/run/s/containerd\"\n"));
  EXPECT_THAT(text, HasSubstr("[grpc]\n  address = \"/run/s/containerd.sock\"\n"));
  EXPECT_THAT(text, HasSubstr("snapshotter = \"overlayfs\"\n"));
  EXPECT_THAT(text, Not(HasSubstr("config_path")));
  options.registry_config_dir = "/etc/certs.d";
  EXPECT_THAT(make_daemon_config(options), HasSubstr("config_path = \"/etc/certs.d\"\n"));
}

TEST(Leftovers, ProcessesAreFoundByTheirBundleAndNothingElse) {
  const pid_t child = fork();
  if (child == 0) {
    // It stands still by itself: a child of its own would live on, and hold the test's output open.
    execl("/bin/sh", "sh", "-c", "kill -STOP $$", "/no/where/bundle-one", nullptr);
    _exit(127);
  }
  // Until the new program's command line is there.
  for (int i = 0; i < 1000 && processes_of("/no/where/bundle-one").empty(); ++i) usleep(1000);
  EXPECT_THAT(processes_of("/no/where/bundle-one"), Contains(child));
  EXPECT_THAT(processes_of("/no/where/bundle"), Not(Contains(child)));
  kill_processes_of("/no/where/bundle-one");
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, WNOHANG), child) << "it was to be dead by now";
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST(Leftovers, AFileWhoseReadingFailsIsNoSurprise) {
  // Reading fails at address 0, as it does for the files of a process that has just ended.
  EXPECT_EQ(read_if_readable("/proc/self/mem"), "");
  EXPECT_EQ(read_if_readable("/no/where/at-all"), "");
  EXPECT_NE(read_if_readable("/proc/self/cmdline"), "");
}

TEST(Leftovers, AControlGroupThatTheRuntimeLeftIsRemovedWithWhatRunsInIt) {
  // One hierarchy of cgroup v1, or the only one of v2.
  const std::filesystem::path v1 = "/sys/fs/cgroup/pids";
  const std::string parent = "/sbx-leftovers-test-" + std::to_string(getpid());
  const auto top = (std::filesystem::exists(v1) ? v1 : v1.parent_path()).string() + parent;
  ASSERT_TRUE(std::filesystem::create_directories(top + "/key")) << "needs root and control groups";
  const pid_t child = fork();
  if (child == 0) {
    while (true) pause();
  }
  ASSERT_TRUE(std::ofstream(top + "/key/cgroup.procs") << child << std::flush);
  remove_runtime_state("key", parent, false);
  EXPECT_FALSE(std::filesystem::exists(top + "/key"));
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(rmdir(top.c_str()), 0);
}

TEST(Leftovers, RemovingWhatIsNotThereSucceeds) { EXPECT_TRUE(remove_tree("/no/where/at-all")); }

}  // namespace
}  // namespace sandboxd::containerd
