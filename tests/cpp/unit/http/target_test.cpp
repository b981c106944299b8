#include "http/target.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sandboxd::http {
namespace {

Request parsed(std::string_view target) {
  Request request;
  EXPECT_TRUE(set_target(request, target)) << target;
  return request;
}

TEST(Target, splits_path_and_query_and_decodes_the_query_only) {
  const Request request = parsed("/a%20b/c?x=1&y=a+b%2B&flag&x=2&&=v&bad=%zz");
  EXPECT_EQ(request.path, "/a%20b/c");
  EXPECT_EQ(request.query_value("x"), "1");
  EXPECT_EQ(request.query.count("x"), 2U);
  EXPECT_EQ(request.query_value("y"), "a b+");
  EXPECT_EQ(request.query_value("flag"), "");
  EXPECT_EQ(request.query_value("bad"), "%zz");
  EXPECT_EQ(request.query_value("none"), std::nullopt);
}

TEST(Target, takes_the_absolute_form_apart) {
  const Request request = parsed("HTTP://10.0.0.1:8080/v1?x=1");
  EXPECT_EQ(request.path, "/v1");
  EXPECT_EQ(request.target, "/v1?x=1");
  EXPECT_EQ(request.header("Host"), "10.0.0.1:8080");
  EXPECT_EQ(parsed("http://h").path, "/");
  EXPECT_EQ(parsed("http://h?x=1").target, "/?x=1");
}

TEST(Target, refuses_malformed_escapes_in_the_path) {
  for (const char* target : {"/%", "/%4", "/%zz", "/a%2", "/%g0?x"}) {
    Request request;
    EXPECT_FALSE(set_target(request, target)) << target;
  }
  EXPECT_EQ(parsed("/a?%").path, "/a");
}

TEST(Percent, codes_round_trip_for_every_byte) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("aZ09-._~ /%+\xff"), "aZ09-._~%20%2F%25%2B%FF");
  EXPECT_EQ(percent_decode("%41%4a%4A%"), "AJJ%");
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("%zz+"), "%zz+");
  EXPECT_EQ(percent_decode("%00").size(), 1U);
}

TEST(Headers, are_found_in_any_case_and_the_first_wins) {
  Request request;
  request.headers.emplace("X-One", "1");
  request.headers.emplace("x-one", "2");
  EXPECT_EQ(request.header("X-ONE"), "1");
  EXPECT_EQ(request.header("X-Two"), "");
}

TEST(Authority, reads_names_addresses_and_ports) {
  EXPECT_EQ(parse_authority("LocalHost", 80), (Authority{"localhost", 80}));
  EXPECT_EQ(parse_authority("10.0.0.1:8082", 80), (Authority{"10.0.0.1", 8082}));
  EXPECT_EQ(parse_authority("[::1]:8082", 80), (Authority{"::1", 8082}));
  EXPECT_EQ(parse_authority("[::1]", 80), (Authority{"::1", 80}));
  for (const char* bad : {"", ":80", "a:", "a:x", "a:0", "a:65536", "a:1:2", "[::1", "[::1]8", "::1", "[]:1"}) {
    EXPECT_EQ(parse_authority(bad, 80), std::nullopt) << bad;
  }
  EXPECT_EQ(format_authority("::1", 80), "[::1]:80");
  EXPECT_EQ(format_authority("10.0.0.1", 80), "10.0.0.1:80");
}

bool is_refused(const char* host, const char* origin = nullptr) {
  Request request;
  if (host != nullptr) request.headers.emplace("Host", host);
  if (origin != nullptr) request.headers.emplace("Origin", origin);
  return refuse_origin(request, "sandboxd.internal").has_value();
}

TEST(Origin, knows_hosts_that_no_foreign_name_server_can_point_here) {
  for (const char* host :
       {"127.0.0.1:8082", "localhost", "LOCALHOST:1", "[::1]:8082", "192.168.1.4", "sandboxd.internal:8082"}) {
    EXPECT_FALSE(is_refused(host)) << host;
  }
  EXPECT_FALSE(is_refused(nullptr));  // HTTP/1.0; browsers always send one
  for (const char* host : {"evil.example", "evil.example:8082", "localhost.evil.example", "127.0.0.1.evil.example",
                           "2130706433", "localhost:x", "localhost@evil"}) {
    EXPECT_TRUE(is_refused(host)) << host;
  }
}

TEST(Origin, where_a_token_is_wanted_any_host_name_will_do) {
  const auto refusal = [](const char* host, const char* origin) {
    Request request;
    request.headers.emplace("Host", host);
    if (origin != nullptr) request.headers.emplace("Origin", origin);
    return refuse_origin(request, "127.0.0.1", HostNames::any);
  };
  EXPECT_FALSE(refusal("sandboxd.example:8082", nullptr));
  EXPECT_FALSE(refusal("sandboxd.example", "https://sandboxd.example"));
  EXPECT_TRUE(refusal("sandboxd.example", "https://evil.example"));
  EXPECT_TRUE(refusal("sandboxd.example:x", nullptr)) << "malformed stays malformed";
}

TEST(Origin, pages_of_other_origins_are_refused) {
  EXPECT_FALSE(is_refused("127.0.0.1:8082", "http://127.0.0.1:8082"));
  EXPECT_FALSE(is_refused("localhost", "http://localhost"));
  EXPECT_FALSE(is_refused("localhost", "http://localhost:80"));
  EXPECT_FALSE(is_refused("localhost", "https://localhost"));
  for (const char* origin : {"http://evil.example", "http://127.0.0.1:8083", "http://localhost:8082", "null", "",
                             "file://", "http://127.0.0.1:8082.evil.example", "chrome-extension://127.0.0.1:8082"}) {
    EXPECT_TRUE(is_refused("127.0.0.1:8082", origin)) << origin;
  }
  EXPECT_TRUE(is_refused(nullptr, "http://localhost"));
}

}  // namespace
}  // namespace sandboxd::http
