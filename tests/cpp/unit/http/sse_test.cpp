#include "http/sse.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sandboxd::http {

bool operator==(const SseEvent& a, const SseEvent& b) { return a.id == b.id && a.event == b.event && a.data == b.data; }
void PrintTo(const SseEvent& event, std::ostream* out) {
  *out << "{" << event.id << "|" << event.event << "|" << event.data << "}";
}

namespace {

std::vector<SseEvent> take_all(SseParser& parser) {
  std::vector<SseEvent> events;
  while (auto event = parser.take()) events.push_back(*std::move(event));
  return events;
}

std::vector<SseEvent> parse(std::string_view text) {
  SseParser parser;
  parser.feed(text);
  return take_all(parser);
}

// However the bytes are cut, the same events come out.
void expect_at_every_split(const std::string& text, const std::vector<SseEvent>& expected) {
  EXPECT_EQ(parse(text), expected) << text;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    SseParser parser;
    parser.feed(std::string_view(text).substr(0, at));
    std::vector<SseEvent> events = take_all(parser);
    parser.feed(std::string_view(text).substr(at));
    for (auto& event : take_all(parser)) events.push_back(std::move(event));
    EXPECT_EQ(events, expected) << "split at " << at << " of " << text;
  }
  SseParser bytewise;
  for (const char& c : text) bytewise.feed(std::string_view(&c, 1));
  EXPECT_EQ(take_all(bytewise), expected) << "byte by byte: " << text;
}

TEST(Sse, round_trip_at_every_split_and_with_every_line_end) {
  const std::vector<SseEvent> events = {
      {"1", "sandbox", R"({"a":1})"}, {"2", "", "two\nlines"}, {"3", "x", ""}, {"4", "y", "\n"}, {"5", "", " led"}};
  std::string lf;
  for (const auto& event : events) lf += format_sse(event) + sse_keep_alive();
  expect_at_every_split(lf, events);
  for (const std::string end : {"\r", "\r\n"}) {
    std::string other;
    for (const char c : lf) other += c == '\n' ? end : std::string(1, c);
    expect_at_every_split(other, events);
  }
}

TEST(Sse, follows_the_standard_in_the_details) {
  expect_at_every_split(
      "\xEF\xBB\xBF"
      "data: after a mark\n\n",
      {{"", "", "after a mark"}});
  expect_at_every_split("data:none\ndata:  two\n\n", {{"", "", "none\n two"}});
  expect_at_every_split("data\n\n", {{"", "", ""}});
  expect_at_every_split("event: lost\n\ndata: x\n\n", {{"", "", "x"}});
  expect_at_every_split("id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
                        {{"7", "", "a"}, {"7", "", "b"}, {"", "", "c"}});
  expect_at_every_split(": comment\nretry: 10\nunknown: x\ndata: y\n\n", {{"", "", "y"}});
  expect_at_every_split("data: cut off\n", {});
  expect_at_every_split(std::string("id: a\0b\ndata: x\n\n", 17), {{"", "", "x"}});
  expect_at_every_split("\n\r\n\r\rdata: x\r\n\n", {{"", "", "x"}});
  expect_at_every_split("data:x\r\n\r\n\ndata:y\n\n", {{"", "", "x"}, {"", "", "y"}});
}

TEST(Sse, line_ends_in_fields_cannot_forge_fields) {
  EXPECT_EQ(format_sse({"1\ndata: forged", "t\revent: forged", "a\r\nb\rc"}),
            "id: 1\nevent: t\ndata: a\ndata: b\ndata: c\n\n");
}

TEST(Sse, too_large_an_event_is_dropped_and_the_next_one_comes) {
  SseParser parser;
  const std::string megabyte(1 << 20, 'x');
  parser.feed("data: ");
  for (int i = 0; i < 17; ++i) parser.feed(megabyte);
  parser.feed("\n\n");
  EXPECT_TRUE(parser.overflowed());
  EXPECT_EQ(parser.take(), std::nullopt);
  parser.feed("data: next\n\n");
  EXPECT_EQ(take_all(parser), (std::vector<SseEvent>{{"", "", "next"}}));

  SseParser many_lines;
  for (int i = 0; i < 17; ++i) many_lines.feed("data: " + megabyte + "\n");
  many_lines.feed("\ndata: next\n\n");
  EXPECT_TRUE(many_lines.overflowed());
  EXPECT_EQ(take_all(many_lines), (std::vector<SseEvent>{{"", "", "next"}}));
}

}  // namespace
}  // namespace sandboxd::http
