#include "guestlink/directories.hpp"

#include "support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxd::guestlink {
namespace {

struct stat facts_of(const std::string& path) {
  struct stat facts{};
  EXPECT_EQ(::lstat(path.c_str(), &facts), 0) << path;
  return facts;
}

class DirectoriesTest : public testing::Test {
 protected:
  DirectoriesTest() { std::ofstream(program_) << "program"; }
  test::TempDir dir_;
  std::string program_ = dir_.path() + "/sandboxd-agent";
  Directories directories_{dir_.path(), program_};
};

TEST_F(DirectoriesTest, HoldProgramAndSetupAndShareTheProgram) {
  ASSERT_TRUE(directories_.make("one"));
  ASSERT_TRUE(directories_.make("two"));
  ASSERT_TRUE(directories_.write_setup("one", "secret"));
  const auto one = facts_of(directories_.path("one") + "/agent");
  EXPECT_EQ(one.st_ino, facts_of(directories_.path("two") + "/agent").st_ino);
  EXPECT_EQ(one.st_mode & 07777U, 0555U);
  EXPECT_EQ(facts_of(directories_.path("one")).st_mode & 07777U, 0755U);
  EXPECT_EQ(facts_of(directories_.path("one") + "/setup").st_mode & 07777U, 0600U);
  EXPECT_EQ(facts_of(dir_.path() + "/agents").st_mode & 07777U, 0700U);
  const auto keys = directories_.list();
  ASSERT_TRUE(keys);
  EXPECT_THAT(*keys, testing::UnorderedElementsAre("one", "two"));
}

TEST_F(DirectoriesTest, ANewProgramLeavesRunningOnesAlone) {
  ASSERT_TRUE(directories_.make("old"));
  std::ofstream(program_) << "another program";
  ASSERT_TRUE(directories_.make("new"));
  EXPECT_NE(facts_of(directories_.path("old") + "/agent").st_ino, facts_of(directories_.path("new") + "/agent").st_ino);
}

TEST_F(DirectoriesTest, MadeAgainNothingOfTheLastLifeIsThere) {
  ASSERT_TRUE(directories_.make("one"));
  ASSERT_TRUE(directories_.write_setup("one", "old"));
  ASSERT_TRUE(directories_.make("one"));
  EXPECT_NE(::access((directories_.path("one") + "/setup").c_str(), F_OK), 0);
}

TEST_F(DirectoriesTest, AProgramThatIsMissingIsNamed) {
  const Directories wrong(dir_.path(), "/no/such/agent");
  const auto made = wrong.make("one");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), testing::HasSubstr("/no/such/agent"));
}

TEST_F(DirectoriesTest, SocketsAreRootsAndTheirPathsMayBeLong) {
  const std::string key(150, 'k');
  ASSERT_TRUE(directories_.make(key));
  const auto first = listen_in(directories_.path(key));
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(facts_of(directories_.path(key) + "/agent.sock").st_mode & 07777U, 0600U);
  const auto again = listen_in(directories_.path(key));
  EXPECT_TRUE(again);
  ::close(*first);
  ::close(*again);
}

TEST_F(DirectoriesTest, RemovingNothingSucceeds) {
  EXPECT_TRUE(directories_.remove("none"));
  const auto none = Directories(dir_.path() + "/none", program_).list();
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

}  // namespace
}  // namespace sandboxd::guestlink
