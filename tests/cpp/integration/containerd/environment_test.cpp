// What a container finds inside itself, under both handlers.
#include "integration/containerd/containerd_fixture.hpp"

#include <fstream>

namespace sandboxd::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Inside : public ContainerdFixture, public testing::WithParamInterface<const char*> {
 protected:
  std::string handler() const { return GetParam(); }
  ports::ContainerRequest shell(const std::string& name, const std::string& script) {
    return request(handler(), name, {"sh", "-c", script});
  }
};

TEST_P(Inside, TheImagesOwnCommandRuns) {
  auto container = request(handler(), "own", {});
  container.container.command_kind = model::CommandKind::image;
  EXPECT_EQ(output_of(container), "from the image\n");
}

TEST_P(Inside, EnvironmentDirectoryAndNameAreAsAsked) {
  auto container = shell("env", "echo $IMAGE_SAYS $MINE $PATH; pwd; hostname; id -u; echo oops >&2");
  container.container.env = {"MINE=a=b", "NONSENSE"};
  EXPECT_THAT(output_of(container), AllOf(HasSubstr("hello a=b /usr/local/sbin:/usr/local/bin:"),
                                          HasSubstr("/work\nbox\n0\n"), HasSubstr("oops\n")));
}

TEST_P(Inside, UsersAreFoundByNameInTheImage) {
  auto container = shell("user", "id; echo $HOME");
  container.container.user = "app";
  EXPECT_THAT(output_of(container),
              AllOf(HasSubstr("uid=1000(app) gid=1000(app)"), HasSubstr("50(staff)"), HasSubstr("/home/app")));
}

TEST_P(Inside, AnUnknownUserIsRefusedAndLeavesNothing) {
  auto container = shell("nobody", "id");
  container.container.user = "nobody-here";
  const auto made = run(runtime_->create(container));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), HasSubstr("user \"nobody-here\" is not in the image's /etc/passwd"));
  EXPECT_TRUE(run(runtime_->list())->empty());
  EXPECT_THAT(daemon_->ctr({"snapshots", "ls"}), Not(HasSubstr(container.key)));
}

TEST_P(Inside, PrivilegesAreTheDefaultSetAndNoMore) {
  auto container = shell("caps", "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status");
  container.container.cap_drop = {"ALL"};
  container.container.cap_add = {"CHOWN", "cap_sys_chroot"};
  EXPECT_THAT(output_of(container),
              AllOf(HasSubstr("CapEff:\t0000000000040001"), HasSubstr("CapBnd:\t0000000000040001")));
}

TEST_P(Inside, MountsAreMadeAndReadOnlyOnesHold) {
  const std::string shared = daemon_->directory() + "/shared";
  run_command({"mkdir", "-p", shared});
  std::ofstream(shared + "/note") << "from the host\n";
  auto container = shell("mounts",
                         "cat /mnt/ro/note; touch /mnt/ro/x || echo ro-holds; touch /etc/x || echo root-holds; "
                         "echo written > /mnt/rw/out; echo t > /scratch/t && cat /scratch/t");
  container.mounts = {{shared, "/mnt/ro", true}, {shared, "/mnt/rw", false}};
  container.container.read_only = true;
  container.container.tmpfs = {{"/scratch", "size=1mi,noexec"}};
  EXPECT_THAT(output_of(container),
              AllOf(HasSubstr("from the host\n"), HasSubstr("ro-holds"), HasSubstr("root-holds"), HasSubstr("t\n")));
  std::ifstream file(shared + "/out");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "written");
}

TEST_P(Inside, TenMegabytesOfOutputArriveWhenSomebodyReads) {
  // Far more than pipes hold.
  auto container = request(handler(), "loud", {"dd", "if=/dev/zero", "bs=1k", "count=10240"});
  container.stdout_fifo = daemon_->directory() + "/loud-" + handler() + ".out";
  ASSERT_EQ(mkfifo(container.stdout_fifo.c_str(), 0600), 0);
  const int end = open(container.stdout_fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  (void)run(runtime_->list());
  create(container);
  std::size_t total = 0;
  boost::asio::co_spawn(
      io_,
      [](ports::SandboxRuntime* runtime, std::string key) -> Task<void> { co_await runtime->start(key); }(
                                                              runtime_.get(), container.key),
      [](std::exception_ptr) {});
  char buffer[65536];
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (total < 10240 * 1024 && std::chrono::steady_clock::now() < give_up) {
    io_.restart();
    io_.run_for(std::chrono::milliseconds(1));
    ssize_t got = 0;
    while ((got = read(end, buffer, sizeof buffer)) > 0) total += static_cast<std::size_t>(got);
  }
  close(end);
  EXPECT_EQ(total, 10240U * 1024U);
}

INSTANTIATE_TEST_SUITE_P(Handlers, Inside, testing::Values("runc", "runsc"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace sandboxd::test
