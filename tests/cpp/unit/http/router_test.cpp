#include "http/router.hpp"

#include <gtest/gtest.h>

#include <string>
#include <variant>

namespace sandboxd::http {
namespace {

Task<Response> unused(Request) { co_return Response{}; }

Route route(std::string method, std::string pattern) {
  Route made;
  made.method = std::move(method);
  made.pattern = std::move(pattern);
  made.handler = unused;
  return made;
}

Router make_router() {
  Router router;
  for (const auto& [method, pattern] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "/healthz"},
           {"GET", "/api/v1/sandboxes"},
           {"POST", "/api/v1/sandboxes"},
           {"GET", "/api/v1/sandboxes/{id}"},
           {"GET", "/api/v1/sandboxes/statuses"},
           {"GET", "/api/v1/sandboxes/{id}/containers/{name}/logs"},
           {"GET", "/files/{path...}"},
           {"GET", "/files/special/{id}"},
           {"GET", "/"},
       }) {
    EXPECT_TRUE(router.add(route(method, pattern))) << pattern;
  }
  return router;
}

// What a look-up gives, as one line: the pattern and its parameters, the redirect, or "none".
std::string look_up(const Router& router, const std::string& method, const std::string& path) {
  const auto found = router.find(method, path);
  if (const auto* to = std::get_if<Redirect>(&found)) return std::to_string(to->status) + " " + to->location;
  if (std::holds_alternative<NoRoute>(found)) return "none";
  const auto& matched = std::get<Matched>(found);
  std::string text = matched.route->pattern;
  for (const auto& [name, value] : matched.parameters) text += " " + name + "=" + value;
  return text;
}

struct Case {
  const char* method;
  const char* path;
  const char* expected;
};

class RouterTable : public testing::TestWithParam<Case> {};

TEST_P(RouterTable, finds) {
  const Router router = make_router();
  EXPECT_EQ(look_up(router, GetParam().method, GetParam().path), GetParam().expected)
      << GetParam().method << " " << GetParam().path;
}

INSTANTIATE_TEST_SUITE_P(
    All, RouterTable,
    testing::Values(
        Case{"GET", "/healthz", "/healthz"}, Case{"GET", "/", "/"},
        Case{"GET", "/api/v1/sandboxes/a", "/api/v1/sandboxes/{id} id=a"},
        // A literal wins over a parameter, however the routes were added.
        Case{"GET", "/api/v1/sandboxes/statuses", "/api/v1/sandboxes/statuses"},
        Case{"GET", "/api/v1/sandboxes/a/containers/b/logs",
             "/api/v1/sandboxes/{id}/containers/{name}/logs id=a name=b"},
        // A literal that leads nowhere does not hide the parameter.
        Case{"GET", "/api/v1/sandboxes/statuses/containers/b/logs",
             "/api/v1/sandboxes/{id}/containers/{name}/logs id=statuses name=b"},
        // Parameters are decoded; an encoded slash never matches one; literals are compared decoded.
        Case{"GET", "/api/v1/sandboxes/a%20b", "/api/v1/sandboxes/{id} id=a b"},
        Case{"GET", "/api/v1/sandboxes/a%2Fb", "none"},
        Case{"GET", "/api/v1/sandboxes/a+b", "/api/v1/sandboxes/{id} id=a+b"}, Case{"GET", "/%68ealthz", "/healthz"},
        // Wrong method, unknown path, other case, doubled slash, empty parameter.
        Case{"POST", "/healthz", "none"}, Case{"HEAD", "/healthz", "none"}, Case{"GET", "/Healthz", "none"},
        Case{"GET", "//healthz", "none"}, Case{"GET", "/api//v1/sandboxes", "none"},
        Case{"GET", "/api/v1/sandboxes//containers/b/logs", "none"}, Case{"GET", "/nothing", "none"},
        Case{"GET", "", "none"}, Case{"GET", "*", "none"}, Case{"CONNECT", "example:80", "none"},
        // One superfluous slash.
        Case{"GET", "/healthz/", "301 /healthz"}, Case{"POST", "/api/v1/sandboxes/", "307 /api/v1/sandboxes"},
        Case{"GET", "/api/v1/sandboxes/a/", "301 /api/v1/sandboxes/a"}, Case{"DELETE", "/healthz/", "none"},
        Case{"GET", "/healthz//", "none"},
        // The rest of a path.
        Case{"GET", "/files/", "/files/{path...} path="}, Case{"GET", "/files/a/b%2Fc", "/files/{path...} path=a/b/c"},
        Case{"GET", "/files//a/", "/files/{path...} path=/a/"}, Case{"GET", "/files", "none"},
        Case{"GET", "/files/special/7", "/files/special/{id} id=7"},
        Case{"GET", "/files/special/7/8", "/files/{path...} path=special/7/8"}));

TEST(Router, refuses_two_routes_for_the_same_requests) {
  Router router;
  ASSERT_TRUE(router.add(route("GET", "/v1/sandboxes/{id}")));
  const auto clash = router.add(route("GET", "/v1/sandboxes/{name}"));
  ASSERT_FALSE(clash);
  EXPECT_EQ(clash.error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(clash.error().message(), "route GET /v1/sandboxes/{name}: already claimed by /v1/sandboxes/{id}");
  EXPECT_TRUE(router.add(route("POST", "/v1/sandboxes/{name}")));
}

TEST(Router, refuses_malformed_patterns) {
  Router router;
  for (const char* pattern : {"", "v1", "/{", "/{}", "/{...}", "/{a", "/{a}/{a}", "/{a...}/b"}) {
    EXPECT_FALSE(router.add(route("GET", pattern))) << pattern;
  }
  EXPECT_FALSE(router.add(route("", "/a")));
}

// Parameters never match an empty segment, so no redirect can point to another host.
TEST(Router, never_redirects_to_a_network_path) {
  Router router;
  ASSERT_TRUE(router.add(route("GET", "/{a}/{b}")));
  ASSERT_TRUE(router.add(route("GET", "/{a}")));
  EXPECT_EQ(look_up(router, "GET", "//evil.example/"), "none");
  EXPECT_EQ(look_up(router, "GET", "//evil.example"), "none");
}

}  // namespace
}  // namespace sandboxd::http
