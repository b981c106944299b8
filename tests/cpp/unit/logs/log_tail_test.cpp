#include "logs/log_tail.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>

namespace sandboxd::logs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

constexpr std::size_t kPlenty = 1024 * 1024;

class LogTailTest : public testing::Test {
 protected:
  LogTailTest() {
    std::string pattern = (fs::temp_directory_path() / "sbx-tail-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    directory_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    tail_ = std::make_unique<LogTail>(directory_.get(), "web");
  }
  ~LogTailTest() override { fs::remove_all(path_); }

  void append(const std::string& text, const std::string& name = "web.log") {
    std::ofstream(path_ + "/" + name, std::ios::binary | std::ios::app) << text;
  }
  void rotate() { fs::rename(path_ + "/web.log", path_ + "/web.log.1"); }
  std::vector<std::string> read(std::size_t bytes_max = kPlenty) {
    std::vector<std::string> lines;
    const auto done = tail_->read(bytes_max, lines);
    if (!done) ADD_FAILURE() << done.error().message();
    return lines;
  }

  std::string path_;
  Descriptor directory_;
  std::unique_ptr<LogTail> tail_;
};

TEST_F(LogTailTest, gives_each_line_once) {
  EXPECT_THAT(read(), IsEmpty()) << "no file yet";
  append("one\n");
  EXPECT_THAT(read(), ElementsAre("one"));
  append("two\nthree\n");
  EXPECT_THAT(read(), ElementsAre("two", "three"));
  EXPECT_THAT(read(), IsEmpty());
}

TEST_F(LogTailTest, a_line_without_its_end_waits_for_it) {
  append("ha");
  EXPECT_THAT(read(), IsEmpty());
  append("lf\n");
  EXPECT_THAT(read(), ElementsAre("half"));
}

TEST_F(LogTailTest, begins_with_the_older_half) {
  append("older\n");
  rotate();
  append("newer\n");
  EXPECT_THAT(read(), ElementsAre("older", "newer"));
  EXPECT_THAT(read(), IsEmpty());
}

TEST_F(LogTailTest, a_rotation_between_two_reads_loses_nothing) {
  append("one\n");
  EXPECT_THAT(read(), ElementsAre("one"));
  append("two\n");
  rotate();
  EXPECT_THAT(read(), ElementsAre("two")) << "before the new file is there";
  append("three\n");
  EXPECT_THAT(read(), ElementsAre("three"));
  rotate();
  append("four\n");
  EXPECT_THAT(read(), ElementsAre("four"));
}

TEST_F(LogTailTest, a_reader_that_missed_a_rotation_says_so_and_goes_on_with_the_oldest_that_is_left) {
  append("one\n");
  EXPECT_THAT(read(), ElementsAre("one"));
  rotate();
  append("lost\n");
  rotate();
  append("kept\n");
  rotate();
  append("newest\n");
  EXPECT_THAT(read(), ElementsAre(HasSubstr("lines may be missing"), "kept", "newest"));
}

TEST_F(LogTailTest, stops_after_about_the_bytes_that_it_was_given_and_goes_on_there) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "0123456789\n";
  append(text);
  std::size_t lines = 0;
  std::size_t reads = 0;
  do {
    lines += read(300'000).size();
    ++reads;
  } while (tail_->has_more());
  EXPECT_EQ(lines, 100'000U);
  EXPECT_GE(reads, 2U);
}

TEST_F(LogTailTest, links_are_not_followed) {
  append("secret\n", "secret");
  fs::create_symlink(path_ + "/secret", path_ + "/web.log");
  std::vector<std::string> lines;
  EXPECT_FALSE(tail_->read(kPlenty, lines));
  EXPECT_THAT(lines, IsEmpty());
}

}  // namespace
}  // namespace sandboxd::logs
