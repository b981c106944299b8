#include "base/limits.hpp"
#include "http/sse.hpp"
#include "unit/node/routes_fixture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace sandboxd::node {
namespace {

using testing::HasSubstr;
using testing::Not;

class LogRoutes : public RoutesFixture {
 protected:
  void say(const std::string& text, const std::string& container = "main", int second = 5) {
    output_machine_->print(SandboxId("a"), container,
                           "2026-01-02T03:04:0" + std::to_string(second) + ".000000000Z stdout F " + text);
  }
  std::shared_ptr<http::BodyStream> follow(const std::string& target) {
    http::Response response = respond("GET", target);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.content_type, "text/event-stream");
    return response.stream;
  }
  std::optional<std::string> next(http::BodyStream& stream) { return run(stream.next()); }
};

std::string event(const std::string& container, const std::string& text, int second = 5) {
  return R"(data: {"container":")" + container + R"(","line":"2026-01-02T03:04:0)" + std::to_string(second) +
         ".000000000Z stdout F " + text + "\"}\n\n";
}

TEST_F(LogRoutes, tail_gives_the_last_lines_and_since_those_from_a_time_on) {
  create_running("a");
  for (int second = 1; second <= 4; ++second) say("line", "main", second);
  const std::string path = "/v1/sandboxes/a/containers/main/logs";
  const auto lines = [&](const std::string& query, const std::string& base) {
    const std::string body = get(base + query).body;
    std::string seconds;
    for (std::size_t at = body.find("03:04:0"); at != std::string::npos; at = body.find("03:04:0", at + 1))
      seconds += body[at + 7];
    return seconds;
  };
  for (const std::string& base : {path, std::string("/v1/sandboxes/a/logs")}) {
    EXPECT_EQ(lines("", base), "1234");
    EXPECT_EQ(lines("?tail=2", base), "34");
    EXPECT_EQ(lines("?tail=0", base), "");
    EXPECT_EQ(lines("?tail=99", base), "1234");
    EXPECT_EQ(lines("?since=2026-01-02T03:04:03Z", base), "34");
    EXPECT_EQ(lines("?since=2026-01-02T03:04:02Z&tail=1", base), "4");
    EXPECT_EQ(lines("?since=876000h", base), "1234") << "before the lines, a century ago";
  }
}

TEST_F(LogRoutes, a_window_that_makes_no_sense_is_refused) {
  create_running("a");
  for (const char* query : {"?tail=-1", "?tail=many", "?tail=99999999999999999999", "?tail=1.5"})
    EXPECT_EQ(get(std::string("/v1/sandboxes/a/logs") + query),
              error_answer(400, "tail: must be a whole number of lines, such as 100", "invalid_argument"));
  EXPECT_EQ(get("/v1/sandboxes/a/containers/main/logs?since=yesterday"),
            error_answer(400, "since: must be a time such as 2026-01-02T15:04:05Z, or a duration such as 10m",
                         "invalid_argument"));
}

TEST_F(LogRoutes, following_gives_what_is_there_and_then_each_line_as_it_comes) {
  create_running("a");
  say("one");
  const auto stream = follow("/v1/sandboxes/a/containers/main/logs?follow=true");
  EXPECT_THAT(*next(*stream), HasSubstr(event("main", "one")));
  say("two");
  EXPECT_EQ(*next(*stream), event("main", "two"));
}

TEST_F(LogRoutes, following_with_tail_begins_with_the_last_lines_only) {
  create_running("a");
  for (int second = 1; second <= 3; ++second) say("old", "main", second);
  const auto stream = follow("/v1/sandboxes/a/logs?follow=1&tail=1");
  const std::string first = *next(*stream);
  EXPECT_THAT(first, HasSubstr(event("main", "old", 3)));
  EXPECT_THAT(first, Not(HasSubstr(event("main", "old", 2))));
  say("new", "main", 4);
  say("newer", "main", 5);
  EXPECT_EQ(*next(*stream), event("main", "new", 4) + event("main", "newer", 5)) << "tail is about what was there";
}

TEST_F(LogRoutes, a_silent_log_is_kept_alive) {
  create_running("a");
  const auto stream = follow("/v1/sandboxes/a/logs?follow=true");
  EXPECT_EQ(*next(*stream), http::sse_keep_alive()) << "at once, so that the client knows that it is connected";
  const MonoTime before = clock_.mono_now();
  EXPECT_EQ(*next(*stream), http::sse_keep_alive());
  EXPECT_EQ(clock_.mono_now() - before, limits::kSseKeepAlive);
  say("late");
  EXPECT_EQ(*next(*stream), event("main", "late")) << "nothing is lost by a wait that was cut off";
}

TEST_F(LogRoutes, following_begins_before_the_sandbox_runs_and_ends_with_it) {
  ASSERT_EQ(post("/v1/sandboxes", create_body("a")).status, 202);
  const auto stream = follow("/v1/sandboxes/a/logs?follow=true");
  EXPECT_EQ(*next(*stream), http::sse_keep_alive());
  ASSERT_TRUE(settle("a"));
  say("hello");
  std::string said = *next(*stream);
  while (said == http::sse_keep_alive()) said = *next(*stream);
  EXPECT_EQ(said, event("main", "hello"));
  say("last words");
  runtime_machine_->exit(agent_->get(SandboxId("a"))->containers[0].key, 0);
  ASSERT_TRUE(run_until([&] { return phase("a") == model::Phase::stopped; }));
  EXPECT_EQ(*next(*stream), event("main", "last words"));
  EXPECT_EQ(*next(*stream), "event: end\ndata: {}\n\n");
  EXPECT_EQ(next(*stream), std::nullopt);
  const auto after = follow("/v1/sandboxes/a/logs?follow=true");
  EXPECT_THAT(*next(*after), HasSubstr(event("main", "last words")));
  EXPECT_EQ(*next(*after), "event: end\ndata: {}\n\n") << "a sandbox that ended has an end";
}

TEST_F(LogRoutes, a_delete_ends_those_who_follow) {
  create_running("a");
  const auto stream = follow("/v1/sandboxes/a/logs?follow=true");
  next(*stream);
  EXPECT_EQ(ask("DELETE", "/v1/sandboxes/a").status, 200);
  EXPECT_EQ(*next(*stream), "event: end\ndata: {}\n\n");
}

TEST_F(LogRoutes, what_cannot_be_followed_is_refused_like_a_log_that_cannot_be_read) {
  create_running("a");
  const Answer missing = error_answer(404, "logs not found", "not_found");
  EXPECT_EQ(get("/v1/sandboxes/b/logs?follow=true"), missing);
  EXPECT_EQ(get("/v1/sandboxes/a/containers/other/logs?follow=true"), missing);
  std::vector<std::shared_ptr<http::BodyStream>> many;
  for (std::size_t i = 0; i < limits::kLogFollowersMax; ++i) many.push_back(follow("/v1/sandboxes/a/logs?follow=1"));
  EXPECT_EQ(get("/v1/sandboxes/a/logs?follow=1").status, 429);
  many.pop_back();
  EXPECT_EQ(get("/v1/sandboxes/a/logs?follow=1").status, 200) << "one that left makes room";
}

}  // namespace
}  // namespace sandboxd::node
