#include "codec/cri_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::codec {
namespace {

using testing::ElementsAre;

const WallTime kNow = *parse_rfc3339("2026-01-02T03:04:05.000000006Z");
const std::string kStamp = "2026-01-02T03:04:05.000000006Z stdout ";

std::string feed(CriFormatter& formatter, std::string_view bytes) {
  std::string out;
  formatter.feed(bytes, kNow, out);
  return out;
}

TEST(CriFormatter, each_line_carries_time_stream_and_tag) {
  CriFormatter formatter("stdout");
  EXPECT_EQ(feed(formatter, "one\ntwo\n"), kStamp + "F one\n" + kStamp + "F two\n");
}

TEST(CriFormatter, a_line_waits_for_its_end) {
  CriFormatter formatter("stdout");
  EXPECT_EQ(feed(formatter, "he"), "");
  EXPECT_EQ(feed(formatter, "llo\n"), kStamp + "F hello\n");
  EXPECT_EQ(formatter.waiting(), 0U);
}

TEST(CriFormatter, empty_lines_are_lines) {
  CriFormatter formatter("stdout");
  EXPECT_EQ(feed(formatter, "\n\n"), kStamp + "F \n" + kStamp + "F \n");
}

TEST(CriFormatter, a_line_of_exactly_the_limit_is_one_full_line) {
  CriFormatter formatter("stdout");
  const std::string text(kCriPieceBytesMax, 'x');
  EXPECT_EQ(feed(formatter, text + "\n"), kStamp + "F " + text + "\n");
}

TEST(CriFormatter, a_line_of_exactly_the_limit_whose_end_comes_later_is_one_full_line) {
  CriFormatter formatter("stdout");
  const std::string text(kCriPieceBytesMax, 'x');
  EXPECT_EQ(feed(formatter, text), "");
  EXPECT_EQ(feed(formatter, "\n"), kStamp + "F " + text + "\n");
}

TEST(CriFormatter, a_longer_line_is_cut_and_its_last_piece_is_full) {
  CriFormatter formatter("stdout");
  const std::string text(kCriPieceBytesMax, 'x');
  EXPECT_EQ(feed(formatter, text + "yz\n"), kStamp + "P " + text + "\n" + kStamp + "F yz\n");
}

TEST(CriFormatter, bytes_are_copied_whatever_they_are) {
  CriFormatter formatter("stdout");
  const std::string bytes("\0\x1b[31m\xff", 7);
  EXPECT_EQ(feed(formatter, bytes + "\n"), kStamp + "F " + bytes + "\n");
}

TEST(CriFormatter, flush_writes_what_waits_once) {
  CriFormatter formatter("stdout");
  std::string out = feed(formatter, "tail");
  formatter.flush(kNow, out);
  formatter.flush(kNow, out);
  EXPECT_EQ(out, kStamp + "F tail\n");
}

TEST(SplitLines, line_ends_are_stripped_and_an_unfinished_line_counts) {
  EXPECT_THAT(split_lines("a\r\nb\n\nc"), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(split_lines(""), ElementsAre());
}

TEST(MergeLines, sorts_by_time_and_keeps_the_order_of_equal_times) {
  const auto merged = merge_lines({{"web", {"2026-01-02T03:04:06Z stdout F w1", "2026-01-02T03:04:08Z stdout F w2"}},
                                   {"db", {"2026-01-02T03:04:07.5Z stderr F d1", "2026-01-02T03:04:08Z stdout F d2"}}});
  EXPECT_THAT(merged, ElementsAre("[web] 2026-01-02T03:04:06Z stdout F w1", "[db] 2026-01-02T03:04:07.5Z stderr F d1",
                                  "[db] 2026-01-02T03:04:08Z stdout F d2", "[web] 2026-01-02T03:04:08Z stdout F w2"));
}

TEST(MergeLines, lines_without_a_time_follow_by_container) {
  const auto merged = merge_lines({{"b", {"plain b", "2026-01-02T03:04:06Z stdout F t"}}, {"a", {"plain a"}}});
  EXPECT_THAT(merged, ElementsAre("[b] 2026-01-02T03:04:06Z stdout F t", "[a] plain a", "[b] plain b"));
}

}  // namespace
}  // namespace sandboxd::codec
