// What a container writes to the disk has a bound, under both handlers, and leaves nothing behind.
#include "containerd/loop_mount.hpp"
#include "integration/containerd/containerd_fixture.hpp"
#include "proc/posix_runner.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <thread>

namespace sandboxd::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::int64_t kMiB = 1024 * 1024;

std::vector<std::string> lines_with(const std::string& file, const std::string& text) {
  std::ifstream stream(file);
  std::vector<std::string> out;
  for (std::string line; std::getline(stream, line);) {
    if (line.find(text) != std::string::npos) out.push_back(line);
  }
  return out;
}

// Files that loop devices are attached to.
std::vector<std::string> loop_files(const std::string& below) {
  std::vector<std::string> out;
  for (const fs::directory_entry& device : fs::directory_iterator("/sys/block")) {
    for (const std::string& file : lines_with(device.path() / "loop/backing_file", below)) out.push_back(file);
  }
  return out;
}

class Storage : public ContainerdFixture, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override { start_with(daemon_->directory() + "/disks"); }
  void TearDown() override {
    ContainerdFixture::TearDown();
    EXPECT_THAT(leftovers(), IsEmpty());
  }

  void start_with(std::string disk_dir) {
    options_ = daemon_->options("t");
    options_.disk_dir = std::move(disk_dir);
    options_.runner = &runner_;
    auto made = containerd::ContainerdRuntime::make(io_.get_executor(), clock_, options_);
    ASSERT_TRUE(made) << made.error().message();
    runtime_ = std::move(*made);
  }

  [[nodiscard]] std::vector<std::string> leftovers() const {
    std::vector<std::string> out = loop_files(options_.disk_dir);
    for (const std::string& line : lines_with("/proc/self/mountinfo", options_.run_dir)) out.push_back(line);
    for (const std::string& folder : {options_.disk_dir, options_.run_dir + "/disks"}) {
      std::error_code ec;
      for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec)) out.push_back(entry.path());
    }
    return out;
  }

  ports::ContainerRequest shell(const std::string& name, const std::string& script) {
    auto out = request(GetParam(), name, {"sh", "-c", script});
    out.container.user = "0:0";
    out.root_bytes = 32 * kMiB;
    out.volume_bytes = 16 * kMiB;
    return out;
  }

  // Bytes that the files of this test's daemon take on the host's disk; what is mounted below is not counted again.
  [[nodiscard]] std::int64_t used_on_disk() const {
    struct stat top{};
    EXPECT_EQ(stat(daemon_->directory().c_str(), &top), 0);
    std::int64_t blocks = 0;
    const auto options = fs::directory_options::skip_permission_denied;
    for (auto at = fs::recursive_directory_iterator(daemon_->directory(), options); at != fs::end(at); ++at) {
      struct stat info{};
      if (lstat(at->path().c_str(), &info) != 0) continue;
      if (S_ISDIR(info.st_mode) && info.st_dev != top.st_dev) at.disable_recursion_pending();
      if (S_ISREG(info.st_mode) && info.st_dev == top.st_dev) blocks += info.st_blocks;
    }
    return blocks * 512;
  }

  proc::PosixRunner runner_;
  containerd::Options options_;
};

const char* const kFill =
    "dd if=/dev/zero of=$0/fill bs=64k count=4000 2>/dev/null || echo refused; dd if=/dev/zero of=$0/more bs=64k "
    "count=1 2>&1; wc -c <$0/fill";

std::vector<std::string> fill(const std::string& folder) { return {"sh", "-c", kFill, folder}; }

// The number that `wc` printed last.
std::int64_t written(const std::string& output) {
  const auto end = output.find_last_of("0123456789");
  if (end == std::string::npos) return -1;
  const auto start = output.find_last_not_of("0123456789", end);
  return std::stoll(output.substr(start + 1, end - start));
}

TEST_P(Storage, ARootFileSystemEndsAtItsShareWithNoSpaceLeft) {
  auto container = shell("root", "");
  container.container.args = fill("");
  const std::string output = output_of(container);
  EXPECT_THAT(output, HasSubstr("refused"));
  EXPECT_THAT(output, HasSubstr("No space left on device"));
  EXPECT_LE(written(output), 32 * kMiB) << output;
  EXPECT_GE(written(output), 30 * kMiB) << output;
}

TEST_P(Storage, TheHostsDiskHoldsNoMoreThanTheShare) {
  const std::int64_t before = used_on_disk();
  auto container = shell("host", "dd if=/dev/zero of=/fill bs=64k count=4000 2>/dev/null; sync; echo full; sleep 600");
  container.stdout_fifo = daemon_->directory() + "/host.out";
  unlink(container.stdout_fifo.c_str());
  ASSERT_EQ(mkfifo(container.stdout_fifo.c_str(), 0600), 0);
  const int end = open(container.stdout_fifo.c_str(), O_RDWR | O_CLOEXEC);
  create(container);
  start(container.key);
  char word[8] = {};
  EXPECT_EQ(read(end, word, 4), 4);  // blocks until the disk is full
  close(end);
  EXPECT_STREQ(word, "full");
  const std::int64_t grown = used_on_disk() - before;
  EXPECT_LE(grown, 34 * kMiB);
  EXPECT_GE(grown, 28 * kMiB);
}

TEST_P(Storage, WhatIsWrittenToDiskIsNotTheSandboxsMemory) {
  auto container = shell("memory", "dd if=/dev/zero of=/big bs=1M count=200 2>&1; wc -c </big");
  container.root_bytes = 400 * kMiB;
  container.container.resources.limit_memory_bytes.value = 64 * kMiB;
  const std::string output = output_of(container);
  EXPECT_EQ(written(output), 200 * kMiB) << output;
}

TEST_P(Storage, VolumesOfTheImageAreBoundedOutsideOfTheRootsShare) {
  auto container = shell("volume", "");
  container.image.volumes = {"/data/"};
  container.container.args = fill("/data");
  const std::string output = output_of(container);
  EXPECT_THAT(output, HasSubstr("No space left on device"));
  EXPECT_LE(written(output), 16 * kMiB) << output;
  EXPECT_GE(written(output), 14 * kMiB) << output;
}

TEST_P(Storage, AFullVolumeLeavesTheRootsShareAlone) {
  auto container = shell("apart",
                         "dd if=/dev/zero of=/data/fill bs=64k count=4000 2>/dev/null; dd if=/dev/zero of=/r "
                         "bs=1M count=20 2>&1; wc -c </r");
  container.image.volumes = {"/data"};
  EXPECT_EQ(written(output_of(container)), 20 * kMiB);
}

TEST_P(Storage, VolumesHaveOwnerModeAndContentOfTheImagesDirectory) {
  auto container = shell("content", "stat -c %u:%g:%a /etc; cat /etc/passwd; echo x >>/etc/passwd; stat -c %u:%a /new");
  container.image.volumes = {"/etc", "/new"};
  const std::string output = output_of(container);
  EXPECT_THAT(output, HasSubstr("0:0:755"));
  EXPECT_THAT(output, HasSubstr("app:"));
  EXPECT_THAT(output, HasSubstr("0:755"));
}

TEST_P(Storage, TheImageIsNotChangedByWhatAContainerWrites) {
  auto first = shell("one", "echo changed >/etc/passwd; rm -r /work; echo done");
  EXPECT_THAT(output_of(first), HasSubstr("done"));
  auto second = shell("two", "cat /etc/passwd; ls -d /work");
  const std::string output = output_of(second);
  EXPECT_THAT(output, HasSubstr("app:"));
  EXPECT_THAT(output, HasSubstr("/work"));
  EXPECT_THAT(output, Not(HasSubstr("changed")));
}

TEST_P(Storage, DisksOfAnEarlierLifeAreRemovedWhenNoContainerOwnsThem) {
  auto container = shell("kept", "sleep 600");
  container.image.volumes = {"/data"};
  create(container);
  start(container.key);
  // What a reboot leaves: the file without a mount. And what a crash leaves: a mount without a record.
  std::ofstream(options_.disk_dir + "/gone-0.root") << "x";
  fs::create_directories(options_.run_dir + "/disks/lost-0.volumes");
  ASSERT_EQ(mount("tmpfs", (options_.run_dir + "/disks/lost-0.volumes").c_str(), "tmpfs", 0, "size=4k"), 0);
  stop_adapter();
  start_with(options_.disk_dir);
  ASSERT_TRUE(run(runtime_->list()));
  EXPECT_FALSE(fs::exists(options_.disk_dir + "/gone-0.root"));
  EXPECT_FALSE(fs::exists(options_.run_dir + "/disks/lost-0.volumes"));
  EXPECT_TRUE(fs::exists(options_.disk_dir + "/" + container.key + ".volumes"));
}

class StoppedDisk : public Storage {
 protected:
  // A container that keeps its files, after a word was written to its root and its volume and its task ended.
  ports::ContainerRequest stopped(const std::string& name) {
    auto container = shell(name, "cat /word /data/word 2>/dev/null; echo kept | tee /word >/data/word; sleep 600");
    container.image.volumes = {"/data/"};
    container.keeps_files = true;
    create(container);
    start(container.key);
    wait_for_word(container.key);
    const auto ended = run(runtime_->end_task(container.key));
    EXPECT_TRUE(ended) << ended.error().message();
    return container;
  }
  void wait_for_word(const std::string& key) const {
    const std::string file = options_.run_dir + "/disks/" + key + ".volumes";
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    const auto written = [&] {
      for (const auto& entry : fs::recursive_directory_iterator(file))
        if (entry.path().filename() == "word" && entry.file_size() > 0) return true;
      return false;
    };
    while (!written() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  }
  [[nodiscard]] std::vector<std::string> in_use() const {
    std::vector<std::string> out = loop_files(options_.disk_dir);
    for (const std::string& line : lines_with("/proc/self/mountinfo", options_.run_dir + "/disks")) out.push_back(line);
    return out;
  }
  std::string output_of_the_next_life(ports::ContainerRequest container) {
    container.again = true;
    container.container.args = {"cat", "/word", "/data/word"};
    return output_of(container);
  }
};

TEST_P(StoppedDisk, IsAFileOnlyAndMountedAgainByTheNextStart) {
  const auto container = stopped("stopped");
  EXPECT_THAT(in_use(), IsEmpty());
  EXPECT_THAT(leftovers(), SizeIs(2)) << "the two files";
  EXPECT_EQ(output_of_the_next_life(container), "kept\nkept\n");
}

TEST_P(StoppedDisk, IsUnmountedByTheNextLifeOfTheAgentWhereTheLastWasKilledBefore) {
  const auto container = stopped("killed");
  // As the stop leaves it when the agent dies right before it unmounts.
  for (const char* kind : {".root", ".volumes"}) {
    const std::string point = options_.run_dir + "/disks/" + container.key + kind;
    fs::create_directories(point);
    const auto mounted = containerd::mount_disk(options_.disk_dir + "/" + container.key + kind, point);
    ASSERT_TRUE(mounted) << mounted.error().message();
  }
  ASSERT_THAT(in_use(), SizeIs(4));
  stop_adapter();
  start_with(options_.disk_dir);
  ASSERT_TRUE(run(runtime_->list()));
  EXPECT_THAT(in_use(), IsEmpty());
  EXPECT_EQ(output_of_the_next_life(container), "kept\nkept\n");
}

TEST_P(StoppedDisk, ThatAProcessStillHoldsIsNotAttachedTwice) {
  const auto container = stopped("held");
  const std::string file = options_.disk_dir + "/" + container.key + ".root";
  const std::string first = daemon_->directory() + "/first", second = daemon_->directory() + "/second";
  fs::create_directories(first);
  fs::create_directories(second);
  ASSERT_TRUE(containerd::mount_disk_again(file, first));
  const int held = open((first + "/upper/word").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(held, 0);
  ASSERT_EQ(umount2(first.c_str(), MNT_DETACH), 0);
  ASSERT_TRUE(containerd::mount_disk_again(file, second));
  EXPECT_THAT(loop_files(options_.disk_dir), SizeIs(1));
  EXPECT_EQ(write(held, "KEPT", 4), 4);
  EXPECT_EQ(lines_with(second + "/upper/word", "KEPT").size(), 1U) << "one file system, whoever looks";
  close(held);
  ASSERT_EQ(umount2(second.c_str(), 0), 0);
}

TEST_P(Storage, AFullHostDiskRefusesTheCreateAndLeavesNothing) {
  stop_adapter();
  const std::string full = daemon_->directory() + "/full";
  fs::create_directories(full);
  ASSERT_EQ(mount("tmpfs", full.c_str(), "tmpfs", 0, "size=16k"), 0);
  start_with(full);
  auto container = shell("full", "true");
  container.image.volumes = {"/data"};
  const auto made = run(runtime_->create(container));
  EXPECT_FALSE(made);
  if (!made) {
    EXPECT_EQ(made.error().code(), ErrorCode::storage_failed);
    EXPECT_THAT(made.error().message(), HasSubstr("disk of"));
  }
  EXPECT_THAT(leftovers(), IsEmpty());
  const auto found = run(runtime_->list());
  EXPECT_TRUE(found && found->empty());
  EXPECT_EQ(umount2(full.c_str(), MNT_DETACH), 0);
}

INSTANTIATE_TEST_SUITE_P(Handlers, StoppedDisk, testing::Values("runc", "runsc"),
                         [](const auto& handler) { return std::string(handler.param); });
INSTANTIATE_TEST_SUITE_P(Handlers, Storage, testing::Values("runc", "runsc"),
                         [](const auto& handler) { return std::string(handler.param); });

}  // namespace
}  // namespace sandboxd::test
