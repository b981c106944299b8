// Pulls from a registry on loopback, and images that were imported without being unpacked.
#include "integration/containerd/containerd_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>

namespace sandboxd::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Debian's docker-registry on a free loopback port, with its files below the daemon's directory.
class Registry {
 public:
  explicit Registry(const std::string& directory) {
    port_ = free_port();
    const std::string config = directory + "/registry.yml";
    std::ofstream(config) << "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: "
                          << directory << "/registry\nhttp:\n  addr: 127.0.0.1:" << port_ << "\n";
    std::string program = "docker-registry", verb = "serve", path = config;
    char* argv[] = {program.data(), verb.data(), path.data(), nullptr};
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawnp(&pid_, program.c_str(), &quiet, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&quiet);
    if (failed != 0) throw std::runtime_error("docker-registry is missing: apt-get install docker-registry");
  }
  ~Registry() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  // Retries while the registry starts.
  void push(const std::string& archive, const std::string& name) const {
    for (int attempt = 0;; ++attempt) {
      try {
        run_command({"skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false",
                     "docker-archive:" + archive, "docker://" + host() + "/" + name});
        return;
      } catch (const std::exception&) {
        if (attempt == 20) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
      }
    }
  }

 private:
  static int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    close(fd);
    return ntohs(address.sin_port);
  }

  pid_t pid_ = -1;
  int port_ = 0;
};

class Image : public ContainerdFixture {};

TEST_F(Image, IsPulledOverPlainHttpOnceForAllWhoWait) {
  const Registry registry(daemon_->directory());
  registry.push(daemon_->busybox_archive(), "team/box:2");
  const std::string reference = registry.host() + "/team/box:2";
  int pending = 3;
  std::vector<Result<ports::ImageInfo>> results;
  const auto ask = [](ports::SandboxRuntime* runtime, std::string name, std::vector<Result<ports::ImageInfo>>* out,
                      int* left) -> Task<void> {
    auto info = co_await runtime->ensure_image(name);
    out->push_back(std::move(info));
    --*left;
  };
  for (int i = 0; i < 3; ++i) {
    boost::asio::co_spawn(io_, ask(runtime_.get(), reference, &results, &pending), [](std::exception_ptr) {});
  }
  io_.restart();
  while (pending > 0 && io_.run_one() != 0) {
  }
  ASSERT_EQ(results.size(), 3U);
  for (const auto& info : results) {
    ASSERT_TRUE(info) << info.error().message();
    EXPECT_EQ(info->reference, reference);
    EXPECT_EQ(info->digest, results[0]->digest);
  }
  auto container = request("runc", "pulled", {"echo", "it runs"});
  container.image = *results[0];
  EXPECT_EQ(output_of(container), "it runs\n");

  // By digest, too.
  const auto exact = run(runtime_->ensure_image(registry.host() + "/team/box@" + results[0]->digest));
  EXPECT_TRUE(exact) << exact.error().message();
}

TEST_F(Image, AWaiterThatGivesUpDoesNotStopThePull) {
  const Registry registry(daemon_->directory());
  registry.push(daemon_->busybox_archive(), "team/patient:1");
  const std::string reference = registry.host() + "/team/patient:1";
  boost::asio::cancellation_signal give_up;
  bool ended = false;
  const auto ask = [](ports::SandboxRuntime* runtime, std::string name) -> Task<void> {
    (void)co_await runtime->ensure_image(name);
  };
  boost::asio::co_spawn(io_, ask(runtime_.get(), reference),
                        boost::asio::bind_cancellation_slot(give_up.slot(), [&](std::exception_ptr) { ended = true; }));
  io_.restart();
  io_.run_for(std::chrono::milliseconds(5));
  give_up.emit(boost::asio::cancellation_type::terminal);
  const auto info = run(runtime_->ensure_image(reference));
  EXPECT_TRUE(info) << info.error().message();
  io_.restart();
  while (!ended && io_.run_one() != 0) {
  }
}

TEST_F(Image, ThatTheRegistryDoesNotHaveIsNamedWithTheCause) {
  const Registry registry(daemon_->directory());
  registry.push(daemon_->busybox_archive(), "team/box:2");
  const std::string reference = registry.host() + "/team/none:1";
  const auto missing = run(runtime_->ensure_image(reference));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::image_failed);
  EXPECT_THAT(missing.error().message(), StartsWith("pull image \"" + reference + "\": "));
  EXPECT_THAT(missing.error().message(), HasSubstr("not found"));
}

TEST_F(Image, ThatIsRemovedLeavesNothingOnTheDisk) {
  const Registry registry(daemon_->directory());
  // A tree of its own content: no other image keeps any of it.
  const std::string directory = daemon_->directory() + "/alone";
  run_shell("set -e; mkdir -p " + directory + "/layer/bin; cd " + directory +
            "; cp $(command -v busybox) layer/bin/busybox; ln -sf busybox layer/bin/sleep; echo alone > layer/mark;"
            "tar --owner=0 --group=0 -C layer -cf layer.tar .; d=$(sha256sum layer.tar | cut -d' ' -f1);"
            "printf '{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/sleep\",\"1000\"]},"
            "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]}}' $d > config.json;"
            "printf '[{\"Config\":\"config.json\",\"RepoTags\":[\"docker.io/library/alone:1\"],"
            "\"Layers\":[\"layer.tar\"]}]' > manifest.json; tar -cf image.tar manifest.json config.json layer.tar");
  registry.push(directory + "/image.tar", "team/alone:1");
  registry.push(directory + "/image.tar", "team/alone:2");
  const auto things = [] {
    return daemon_->ctr({"content", "ls", "-q"}) + daemon_->ctr({"snapshots", "ls"}) +
           daemon_->ctr({"images", "ls", "-q"});
  };
  const std::string before = things();
  const std::string first = registry.host() + "/team/alone:1";
  const std::string second = registry.host() + "/team/alone:2";
  ASSERT_TRUE(run(runtime_->ensure_image(first)));
  ASSERT_TRUE(run(runtime_->ensure_image(second)));
  EXPECT_NE(things(), before);
  const auto stored = run(runtime_->list_images());
  ASSERT_TRUE(stored);
  const auto mine = std::find_if(stored->begin(), stored->end(), [&](const ports::StoredImage& image) {
    return std::find(image.names.begin(), image.names.end(), first) != image.names.end();
  });
  ASSERT_NE(mine, stored->end());
  EXPECT_TRUE(mine->is_pulled);
  EXPECT_FALSE(mine->is_used);
  EXPECT_EQ(mine->os, "linux");
  EXPECT_THAT(mine->names, testing::Contains(second));
  // A tag among several goes alone.
  ASSERT_TRUE(run(runtime_->remove_image(second)));
  EXPECT_THAT(daemon_->ctr({"images", "ls", "-q"}), testing::AllOf(HasSubstr(first), Not(HasSubstr(second))));
  // A daemon that others use too: what we pulled is ours, whoever runs now.
  stop_adapter();
  auto shared = daemon_->options("t");
  shared.owns_daemon = false;
  runtime_ = *containerd::ContainerdRuntime::make(io_.get_executor(), clock_, shared);
  EXPECT_EQ(run(runtime_->remove_image(image_name_)).error().code(), ErrorCode::conflict);
  const auto removed = run(runtime_->remove_image(first));
  EXPECT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(things(), before);
  // And it can be had again.
  const auto again = run(runtime_->ensure_image(first));
  EXPECT_TRUE(again) << again.error().message();
}

TEST_F(Image, ImportedWithoutUnpackingIsUnpackedAndStaysSo) {
  // A tree of its own content, so that no earlier test unpacked it.
  const std::string directory = daemon_->directory() + "/second";
  run_shell("set -e; mkdir -p " + directory + "/layer/bin; cd " + directory +
            "; cp $(command -v busybox) layer/bin/busybox; ln -sf busybox layer/bin/echo; echo second > layer/mark;"
            "tar --owner=0 --group=0 -C layer -cf layer.tar .; d=$(sha256sum layer.tar | cut -d' ' -f1);"
            "printf '{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/echo\",\"second\"]},"
            "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]}}' $d > config.json;"
            "printf '[{\"Config\":\"config.json\",\"RepoTags\":[\"docker.io/library/second:1\"],"
            "\"Layers\":[\"layer.tar\"]}]' > manifest.json; tar -cf image.tar manifest.json config.json layer.tar");
  daemon_->ctr({"images", "import", "--no-unpack", directory + "/image.tar"});
  const auto info = run(runtime_->ensure_image("second:1"));
  ASSERT_TRUE(info) << info.error().message();
  // Something to collect triggers the collector; the unpacked layer must survive it.
  daemon_->ctr({"content", "prune", "references"});
  auto container = request("runc", "unpacked", {});
  container.container.command_kind = model::CommandKind::image;
  container.image = *info;
  EXPECT_EQ(output_of(container), "second\n");
}

}  // namespace
}  // namespace sandboxd::test
