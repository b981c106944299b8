#include "http/parser.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sandboxd::http {
namespace {

// Feeds `text` in pieces of at most `step` bytes, as a connection would: what is not used stays in front.
template <class Parser>
std::string feed_all(Parser& parser, const std::string& text, std::size_t step) {
  std::string buffer;
  for (std::size_t at = 0; at < text.size() && parser.fault() == ParseFault::none; at += step) {
    buffer += text.substr(at, step);
    while (!parser.is_done()) {
      const std::size_t used = parser.feed(buffer);
      buffer.erase(0, used);
      if (used == 0 || buffer.empty()) break;
    }
  }
  return buffer;
}

TEST(RequestParser, gives_the_same_request_however_the_bytes_are_cut) {
  const std::string text =
      "POST /a?x=1 HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n8;ext=1\r\ndefghijk\r\n0\r\nX-Trailer: t\r\n\r\n";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    RequestParser parser(8192);
    EXPECT_EQ(feed_all(parser, text + "GET", step), "GET") << step;  // the next request stays
    ASSERT_TRUE(parser.is_done()) << "pieces of " << step << ": " << parser.fault_text();
    EXPECT_EQ(parser.request().method, "POST");
    EXPECT_EQ(parser.request().path, "/a");
    EXPECT_EQ(parser.request().header("x-a"), "b");
    EXPECT_EQ(parser.request().header("X-Trailer"), "");
    EXPECT_EQ(parser.request().body, "abcdefghijk");
    EXPECT_TRUE(parser.keep_alive());
  }
}

TEST(RequestParser, stops_after_the_header_so_that_a_limit_can_be_set) {
  const std::string text = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
  RequestParser parser(8192);
  const std::size_t used = parser.feed(text);
  EXPECT_TRUE(parser.has_header());
  EXPECT_EQ(used, text.size() - 5);
  parser.set_body_limit(4);
  EXPECT_EQ(parser.fault(), ParseFault::body_too_large);

  parser.reset();
  parser.feed(text);
  parser.set_body_limit(5);
  parser.feed("hello");
  EXPECT_TRUE(parser.is_done());
  EXPECT_EQ(parser.request().body, "hello");
}

TEST(RequestParser, counts_chunked_bodies_against_the_limit) {
  RequestParser parser(8192);
  parser.feed("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  parser.set_body_limit(5);
  feed_all(parser, "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", 100);
  EXPECT_EQ(parser.fault(), ParseFault::body_too_large);
}

TEST(RequestParser, refuses_what_is_malformed_or_could_be_read_in_two_ways) {
  for (const char* text : {
           "GET\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nX: \x01\r\n\r\n",
           "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
           "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
       }) {
    RequestParser parser(8192);
    feed_all(parser, text, 1000);
    EXPECT_EQ(parser.fault(), ParseFault::malformed) << text;
    EXPECT_FALSE(parser.fault_text().empty()) << text;
  }
}

TEST(RequestParser, bounds_the_header_whatever_its_shape) {
  const std::string long_line(5000, 'a');
  for (const std::string& text :
       {"GET /" + long_line, "GET / HTTP/1.1\r\nHost: h\r\nX: " + long_line, "GET / HTTP/1.1\r\nHost: h\r\n" + [] {
          std::string lines;
          for (int i = 0; i < 500; ++i) lines += "X: 12345\r\n";
          return lines;
        }()}) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{700}, text.size()}) {
      RequestParser parser(1024);
      feed_all(parser, text, step);
      EXPECT_EQ(parser.fault(), ParseFault::header_too_large) << text.substr(0, 40) << " in pieces of " << step;
    }
  }
}

// Beast waits for the end of a chunk's size line for ever; its bytes must not pile up.
TEST(RequestParser, bounds_a_chunk_header_that_never_ends) {
  RequestParser parser(1024);
  feed_all(parser, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(5000, 'x'), 100);
  EXPECT_NE(parser.fault(), ParseFault::none);
}

// Found by fuzzing: a line that came in one piece had no limit.
TEST(RequestParser, bounds_a_chunk_header_and_trailers_alike_however_they_are_cut) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string long_line = "1;" + std::string(2000, 'x') + "\r\na\r\n0\r\n\r\n";
  const std::string long_trailer = "1\r\na\r\n0\r\nX: " + std::string(2000, 'x') + "\r\n\r\n";
  const std::string short_line = "1;" + std::string(500, 'x') + "\r\na\r\n0\r\nX: y\r\n\r\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
    for (const std::string& text : {long_line, long_trailer}) {
      RequestParser parser(1024);
      feed_all(parser, head + text, step);
      EXPECT_EQ(parser.fault(), ParseFault::header_too_large) << step;
      EXPECT_FALSE(parser.is_done()) << step;
    }
    RequestParser parser(1024);
    feed_all(parser, head + short_line, step);
    EXPECT_TRUE(parser.is_done()) << step;
    EXPECT_EQ(parser.request().body, "a") << step;
  }
}

TEST(ResponseParser, reads_bodies_with_length_chunked_and_until_the_end) {
  for (const std::string& text :
       {std::string("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello"),
        std::string("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nhello")}) {
    for (std::size_t step = 1; step <= text.size(); ++step) {
      ResponseParser parser(8192);
      feed_all(parser, text, step);
      parser.feed_end();
      ASSERT_TRUE(parser.is_done()) << text << " in pieces of " << step;
      EXPECT_EQ(parser.fault(), ParseFault::none);
      EXPECT_EQ(parser.status(), 200);
      EXPECT_EQ(parser.content_type(), "a/b");
      EXPECT_EQ(parser.take_body(), "hello");
    }
  }
}

TEST(ResponseParser, an_end_in_the_middle_is_a_fault) {
  for (const char* text : {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n"}) {
    ResponseParser parser(8192);
    feed_all(parser, text, 1000);
    parser.feed_end();
    EXPECT_EQ(parser.fault(), ParseFault::malformed) << text;
  }
}

}  // namespace
}  // namespace sandboxd::http
