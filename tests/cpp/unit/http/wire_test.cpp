#include "http/wire.hpp"

#include <gtest/gtest.h>

namespace sandboxd::http {
namespace {

TEST(Wire, a_plain_answer) {
  Response response;
  response.headers.emplace_back("X-Revision", "7");
  ResponseHead head;
  head.body_bytes = 2;
  head.request_id = "abc";
  EXPECT_EQ(format_head(response, head),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n"
            "X-Request-Id: abc\r\nX-Revision: 7\r\n\r\n");
}

TEST(Wire, an_http_1_0_client_is_told_what_happens_to_its_connection) {
  ResponseHead head;
  head.is_http_1_1 = false;
  EXPECT_NE(format_head({}, head).find("Connection: keep-alive\r\n"), std::string::npos);
  head.keep_alive = false;
  EXPECT_NE(format_head({}, head).find("Connection: close\r\n"), std::string::npos);
}

TEST(Wire, handlers_cannot_forge_headers_or_framing) {
  Response response;
  response.content_type = "text/plain\r\nX-Forged: 1";
  response.headers = {{"Location", "/a\r\nX-Forged: 2"}, {"Bad Name", "x"},         {"content-length", "9"},
                      {"Transfer-Encoding", "chunked"},  {"X-Request-Id", "other"}, {"", "x"}};
  const std::string head = format_head(response, {});
  EXPECT_EQ(head.find("\r\nX-Forged"), std::string::npos) << head;
  EXPECT_EQ(head.find("Bad Name"), std::string::npos);
  EXPECT_EQ(head.find("content-length"), std::string::npos);
  EXPECT_EQ(head.find("chunked"), std::string::npos);
  EXPECT_EQ(head.find("other"), std::string::npos);
}

TEST(Wire, chunks_and_request_ids) {
  EXPECT_EQ(chunk_prefix(1), "1\r\n");
  EXPECT_EQ(chunk_prefix(4096), "1000\r\n");
  EXPECT_TRUE(is_request_id("a.B_9-"));
  EXPECT_TRUE(is_request_id(std::string(64, 'a')));
  for (const std::string& bad :
       {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a/b"), std::string("\xc3")}) {
    EXPECT_FALSE(is_request_id(bad)) << bad;
  }
}

TEST(Wire, the_default_error_is_json_whatever_it_says) {
  EXPECT_EQ(default_error(400, "a \"b\"\n").body, R"({"error":"a \"b\"\n"})");
}

}  // namespace
}  // namespace sandboxd::http
