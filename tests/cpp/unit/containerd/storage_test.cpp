// The parts of bounded storage that need neither root nor containerd.
#include "containerd/copy_tree.hpp"
#include "containerd/disk_image.hpp"
#include "containerd/image_volumes.hpp"
#include "containerd/snapshot_mounts.hpp"
#include "support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxd::containerd {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

std::string content(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream(file, std::ios::binary).rdbuf();
  return out.str();
}

TEST(DiskImage, SharesBecomeWholeBlocksOfASizeThatCanHoldAFileSystem) {
  EXPECT_EQ(disk_size(0), 256 * 1024);
  EXPECT_EQ(disk_size(1024 * 1024), 1024 * 1024);
  EXPECT_EQ(disk_size(1024 * 1024 + 4095), 1024 * 1024);
  EXPECT_THAT(mkfs_command("/sbin/mkfs.ext4", "/x", 1024 * 1024), Contains("1024k"));
}

TEST(DiskImage, CopiesOfABlankDiskAreTheSameFileAndSparse) {
  const test::TempDir directory;
  const std::string first = directory.path() + "/first", second = directory.path() + "/second";
  {
    std::ofstream file(first, std::ios::binary);
    file << "start";
    file.seekp(1 << 20);
    file << "middle";
  }
  fs::resize_file(first, 8 << 20);
  const auto blank = read_blank_disk(first);
  ASSERT_TRUE(blank) << blank.error().message();
  EXPECT_EQ(blank->extents.size(), 2U);
  ASSERT_TRUE(write_disk_image(second, *blank));
  EXPECT_EQ(content(first), content(second));
  struct stat info{};
  ASSERT_EQ(stat(second.c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, 1 << 20);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST(DiskImage, AFileThatIsThereIsNotOverwritten) {
  const test::TempDir directory;
  const std::string file = directory.path() + "/there";
  std::ofstream(file) << "precious";
  const auto made = write_disk_image(file, {4096, {}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::already_exists);
  EXPECT_EQ(content(file), "precious");
}

wire::PrepareSnapshotReply snapshot(const std::string& type, const std::string& source,
                                    const std::vector<std::string>& options) {
  wire::PrepareSnapshotReply reply;
  wire::Mount& mount = *reply.add_mounts();
  mount.set_type(type);
  mount.set_source(source);
  for (const std::string& option : options) mount.add_options(option);
  return reply;
}

TEST(SnapshotMounts, AnOverlayGetsAnotherUpperDirectoryAndKeepsTheRest) {
  auto reply = snapshot("overlay", "overlay", {"index=off", "workdir=/s/9/work", "upperdir=/s/9/fs", "lowerdir=/a:/b"});
  EXPECT_THAT(layers_of(reply), ElementsAre("/s/9/fs", "/a", "/b"));
  redirect_writes(reply, "/d/upper", "/d/work");
  EXPECT_THAT(reply.mounts(0).options(),
              ElementsAre("index=off", "workdir=/d/work", "upperdir=/d/upper", "lowerdir=/a:/b"));
}

TEST(SnapshotMounts, APlainDirectoryGetsAnOverlayOverIt) {
  auto reply = snapshot("bind", "/s/9", {"rw", "rbind"});
  EXPECT_THAT(layers_of(reply), ElementsAre("/s/9"));
  redirect_writes(reply, "/d/upper", "/d/work");
  EXPECT_EQ(reply.mounts(0).type(), "overlay");
  EXPECT_THAT(reply.mounts(0).options(),
              ElementsAre("index=off", "workdir=/d/work", "upperdir=/d/upper", "lowerdir=/s/9"));
}

std::vector<std::string> planned(const ports::ContainerRequest& request) {
  std::vector<std::string> out;
  for (const ports::BindMount& volume : plan_image_volumes(request, "/disk")) {
    EXPECT_FALSE(volume.read_only);
    out.push_back(volume.container_path + "=" + volume.host_path);
  }
  return out;
}

TEST(ImageVolumes, EachHasADirectoryOfItsOwnUnlessTheRequestMountsThere) {
  ports::ContainerRequest request;
  request.image.volumes = {"/data/", "/var/lib/x", "/data", "/mine", "/scratch"};
  request.mounts = {{"/host", "/mine/", false}};
  request.container.tmpfs = {{"/scratch", ""}};
  EXPECT_THAT(planned(request), ElementsAre("/data=/disk/0", "/var/lib/x=/disk/1"));
}

TEST(ImageVolumes, PathsThatAreNoDirectoryOfTheContainersOwnAreLeftOut) {
  ports::ContainerRequest request;
  request.image.volumes = {"/", "", "relative", "/proc", "/proc/self", "/sys/fs", "/dev", "/a/../proc", "/device"};
  EXPECT_THAT(planned(request), ElementsAre("/device=/disk/0"));
}

TEST(ImageVolumes, AreFilledFromTheImageWithoutLeavingIt) {
  const test::TempDir directory;
  const std::string image = directory.path() + "/image", disk = directory.path() + "/disk";
  fs::create_directories(image + "/real");
  fs::create_directories(disk);
  fs::create_directories(directory.path() + "/secret");
  std::ofstream(directory.path() + "/secret/key") << "secret";
  std::ofstream(image + "/real/file") << "from the image";
  fs::permissions(image + "/real", fs::perms(0710));
  fs::create_symlink("/real", image + "/link");
  fs::create_symlink("../secret", image + "/outside");
  const std::vector<ports::BindMount> volumes = {
      {disk + "/0", "/link", false}, {disk + "/1", "/outside", false}, {disk + "/2", "/missing", false}};
  const auto made = make_image_volumes({image}, directory.path() + "/scratch", volumes);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(content(disk + "/0/file"), "from the image");
  EXPECT_EQ(static_cast<int>(fs::status(disk + "/0").permissions()), 0710);
  EXPECT_TRUE(fs::is_empty(disk + "/1"));
  EXPECT_TRUE(fs::is_empty(disk + "/2"));
}

TEST(ImageVolumes, AVolumeOverAFileOfTheImageIsTheImagesMistake) {
  const test::TempDir directory;
  fs::create_directories(directory.path() + "/image");
  std::ofstream(directory.path() + "/image/file") << "x";
  const auto made = make_image_volumes({directory.path() + "/image"}, "", {{directory.path() + "/0", "/file", false}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::image_failed);
  EXPECT_THAT(made.error().message(), testing::HasSubstr("volume /file of the image"));
}

class CopyTree : public testing::Test {
 protected:
  Result<void> copy() {
    fs::create_directories(target());
    const int from = open(source().c_str(), O_RDONLY | O_DIRECTORY);
    const int to = open(target().c_str(), O_RDONLY | O_DIRECTORY);
    auto done = copy_tree(from, to);
    close(from);
    close(to);
    return done;
  }
  [[nodiscard]] std::string source() const { return directory_.path() + "/from"; }
  [[nodiscard]] std::string target() const { return directory_.path() + "/to"; }

  test::TempDir directory_;
};

TEST_F(CopyTree, FilesLinksAndDirectoriesComeWithTheirModes) {
  fs::create_directories(source() + "/a/b");
  std::ofstream(source() + "/a/b/file") << "text";
  fs::permissions(source() + "/a/b/file", fs::perms(04751));
  fs::permissions(source() + "/a", fs::perms(01777));
  fs::create_symlink("/etc/passwd", source() + "/a/link");
  ASSERT_TRUE(copy());
  EXPECT_EQ(content(target() + "/a/b/file"), "text");
  EXPECT_EQ(static_cast<int>(fs::status(target() + "/a/b/file").permissions()), 04751);
  EXPECT_EQ(static_cast<int>(fs::status(target() + "/a").permissions()), 01777);
  EXPECT_EQ(fs::read_symlink(target() + "/a/link"), "/etc/passwd");
  EXPECT_EQ(fs::last_write_time(target() + "/a/b/file"), fs::last_write_time(source() + "/a/b/file"));
}

TEST_F(CopyTree, EndlessNestingIsRefused) {
  std::string deep = source();
  for (int i = 0; i < 200; ++i) deep += "/d";
  fs::create_directories(deep);
  const auto done = copy();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::too_large);
}

}  // namespace
}  // namespace sandboxd::containerd
