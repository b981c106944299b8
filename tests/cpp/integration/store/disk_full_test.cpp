// A real full disk: a small tmpfs, mounted in a mount namespace of the test's own, so that nothing can be left behind.
#include "store/sqlite_node_store.hpp"
#include "store/sqlite_store.hpp"
#include "support/run_task.hpp"
#include "support/sample_model.hpp"
#include "support/temp_dir.hpp"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sys/mount.h>

namespace sandboxd::store {
namespace {

class DiskFull : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "root is needed: " << std::strerror(errno);
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
    ASSERT_EQ(mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=2m"), 0) << std::strerror(errno);
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) EXPECT_EQ(umount2(directory_.path().c_str(), MNT_DETACH), 0);
  }

  [[nodiscard]] std::string path() const { return directory_.path() + "/x.db"; }
  [[nodiscard]] std::string filler() const { return directory_.path() + "/filler"; }
  void fill_disk() const {
    std::ofstream file(filler(), std::ios::binary);
    const std::string block(4096, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void make_room() const { std::filesystem::remove(filler()); }

  test::TempDir directory_;
  boost::asio::io_context context_;
  bool mounted_ = false;
};

model::Sandbox large(const std::string& id) {
  model::Sandbox sandbox = test::full_sandbox(id);
  sandbox.last_error = std::string(200'000, 'x');
  return sandbox;
}

TEST_F(DiskFull, the_control_planes_store_changes_nothing_and_works_again_when_there_is_room) {
  auto store = SqliteStore::open({.path = path()}).value();
  ASSERT_TRUE(test::run_task(context_, store->apply({{ports::PutSandbox{test::full_sandbox("before")}}, 1})));
  fill_disk();
  const auto failed = test::run_task(
      context_, store->apply({{ports::PutSandbox{large("a")}, ports::EraseSandbox{SandboxId("before")}}, 2}));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_THAT(failed.error().message(), testing::HasSubstr("free some space"));
  auto contents = test::run_task(context_, store->load()).value();
  EXPECT_THAT(contents.sandboxes, testing::ElementsAre(test::full_sandbox("before")));
  EXPECT_EQ(contents.revision, 1);
  make_room();
  ASSERT_TRUE(test::run_task(context_, store->apply({{ports::PutSandbox{large("a")}}, 2})));
  store.reset();
  store = SqliteStore::open({.path = path()}).value();
  contents = test::run_task(context_, store->load()).value();
  EXPECT_THAT(contents.sandboxes, testing::ElementsAre(large("a"), test::full_sandbox("before")));
  EXPECT_EQ(contents.revision, 2);
}

TEST_F(DiskFull, a_store_cannot_be_made_but_says_why_and_can_be_made_later) {
  fill_disk();
  const auto failed = SqliteStore::open({.path = path()});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  make_room();
  EXPECT_TRUE(SqliteStore::open({.path = path()}));
}

TEST_F(DiskFull, the_nodes_store_changes_nothing_and_works_again_when_there_is_room) {
  const auto store = SqliteNodeStore::open({.path = path()}).value();
  model::NodeSandbox sandbox = test::full_node_sandbox("a");
  sandbox.error = std::string(200'000, 'x');
  fill_disk();
  const auto failed = test::run_task(context_, store->put(sandbox));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_TRUE(test::run_task(context_, store->load()).value().sandboxes.empty());
  make_room();
  EXPECT_TRUE(test::run_task(context_, store->put(sandbox)));
  EXPECT_THAT(test::run_task(context_, store->load()).value().sandboxes, testing::ElementsAre(sandbox));
}

}  // namespace
}  // namespace sandboxd::store
