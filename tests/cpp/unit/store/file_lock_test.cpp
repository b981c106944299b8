#include "store/file_lock.hpp"

#include "support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

namespace sandboxd::store {
namespace {

using testing::HasSubstr;

TEST(FileLock, the_second_is_told_who_is_in_the_way) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/x.lock";
  const auto first = FileLock::acquire(path, "database x");
  ASSERT_TRUE(first);
  const auto second = FileLock::acquire(path, "database x");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::conflict);
  EXPECT_THAT(second.error().message(), HasSubstr("database x is in use by process " + std::to_string(getpid())));
  EXPECT_THAT(second.error().message(), HasSubstr("store_test"));
  EXPECT_THAT(second.error().message(), HasSubstr("stop that process first"));
}

TEST(FileLock, is_free_again_when_its_holder_lets_go) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/x.lock";
  {
    ASSERT_TRUE(FileLock::acquire(path, "x"));
  }
  EXPECT_TRUE(FileLock::acquire(path, "x"));
}

TEST(FileLock, is_free_again_when_its_holder_is_killed) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/x.lock";
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto held = FileLock::acquire(path, "x");
    const char byte = held ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    alarm(60);  // if the test ends before it kills this process
    pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  const auto refused = FileLock::acquire(path, "x");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("process " + std::to_string(child)));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_TRUE(FileLock::acquire(path, "x"));
}

TEST(FileLock, a_link_in_its_place_is_not_followed) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/x.lock";
  ASSERT_EQ(symlink((directory.path() + "/elsewhere").c_str(), path.c_str()), 0);
  EXPECT_FALSE(FileLock::acquire(path, "x"));
  EXPECT_NE(access((directory.path() + "/elsewhere").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace sandboxd::store
