#include "orch/api/opensbx/log_lines.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

TEST(OpensbxLogLines, a_line_is_told_when_it_is_whole) {
  LogLines lines("stdout");
  EXPECT_EQ(lines.feed("he"), "");
  EXPECT_EQ(lines.feed("llo\nwor"), "{\"type\":\"stdout\",\"data\":\"hello\\n\"}\n");
  EXPECT_EQ(lines.feed("ld\n\n"),
            "{\"type\":\"stdout\",\"data\":\"world\\n\"}\n{\"type\":\"stdout\",\"data\":\"\\n\"}\n");
  EXPECT_EQ(lines.finish(), "");
}

TEST(OpensbxLogLines, the_last_line_gets_a_newline) {
  LogLines lines("stderr");
  EXPECT_EQ(lines.feed("err"), "");
  EXPECT_EQ(lines.finish(), "{\"type\":\"stderr\",\"data\":\"err\\n\"}\n");
}

TEST(OpensbxLogLines, a_carriage_return_before_the_newline_goes_even_in_another_piece) {
  LogLines lines("stdout");
  EXPECT_EQ(lines.feed("a\r\nb\r"), "{\"type\":\"stdout\",\"data\":\"a\\n\"}\n");
  EXPECT_EQ(lines.feed("\n"), "{\"type\":\"stdout\",\"data\":\"b\\n\"}\n");
}

TEST(OpensbxLogLines, bytes_that_are_no_text_are_replaced) {
  LogLines lines("stdout");
  EXPECT_EQ(lines.feed("\xff<\n"), "{\"type\":\"stdout\",\"data\":\"\xef\xbf\xbd\\u003c\\n\"}\n");
}

TEST(OpensbxLogLines, a_very_long_line_comes_in_parts_and_none_is_lost) {
  LogLines lines("stdout");
  const std::string head = "{\"type\":\"stdout\",\"data\":\"";
  const std::string part = lines.feed(std::string(LogLines::kHeldBytesMax - 1, 'x') + "\xc3");
  ASSERT_TRUE(part.starts_with(head));
  EXPECT_EQ(part.size(), head.size() + LogLines::kHeldBytesMax - 1 + std::string("\"}\n").size())
      << "without a newline, and without half a character";
  EXPECT_EQ(lines.feed("\xa9\n"), head + "\xc3\xa9\\n\"}\n");
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
