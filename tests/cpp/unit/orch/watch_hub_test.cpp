#include "orch/watch_hub.hpp"

#include "base/limits.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace sandboxd::orch {
namespace {

class WatchHubTest : public testing::Test {
 protected:
  WatchEvent event(const char* id, const char* owner = "default") {
    model::Sandbox sandbox;
    sandbox.id = SandboxId(id);
    sandbox.owner = owner;
    WatchEvent out;
    out.revision = ++revision_;
    out.sandbox = std::make_shared<const model::Sandbox>(sandbox);
    return out;
  }
  void publish(const char* id, const char* owner = "default") { hub_->publish({event(id, owner)}); }

  // The next event's id; "end", or "" when there is none yet.
  std::string next(const std::shared_ptr<WatchStream>& stream) {
    std::string out;
    boost::asio::co_spawn(context_, read(stream, out), [](std::exception_ptr) {});
    context_.restart();
    context_.poll();
    return out;
  }
  static Task<void> read(std::shared_ptr<WatchStream> stream, std::string& out) {
    const auto got = co_await stream->next();
    out = got ? got->sandbox->id.str() : "end";
  }

  boost::asio::io_context context_;
  std::int64_t revision_ = 100;
  std::shared_ptr<WatchHub> hub_ = std::make_shared<WatchHub>(context_.get_executor(), 100);
};

TEST_F(WatchHubTest, delivers_what_follows_the_asked_revision) {
  publish("a");
  publish("b");
  auto stream = *hub_->open(101, {});
  EXPECT_EQ(next(stream), "b");
  EXPECT_EQ(stream->seen(), 102);
}

TEST_F(WatchHubTest, filters_by_id_and_owner) {
  WatchFilter only_b;
  only_b.sandbox = SandboxId("b");
  WatchFilter only_ann;
  only_ann.owner = "ann";
  auto by_id = *hub_->open(100, only_b);
  auto by_owner = *hub_->open(100, only_ann);
  publish("a");
  publish("b");
  publish("c", "ann");
  EXPECT_EQ(next(by_id), "b");
  EXPECT_EQ(next(by_owner), "c");
}

TEST_F(WatchHubTest, a_revision_outside_the_history_is_refused) {
  publish("a");
  EXPECT_TRUE(hub_->open(100, {}));
  const auto old = hub_->open(99, {});
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code(), ErrorCode::not_found);
  EXPECT_EQ(old.error().message().rfind("revision too old: 99 is older than 100", 0), 0U) << old.error().message();
  const auto future = hub_->open(102, {});
  ASSERT_FALSE(future);
  EXPECT_EQ(future.error().code(), ErrorCode::not_found);
  EXPECT_EQ(future.error().message().rfind("revision not reached: 102 is newer than 101", 0), 0U)
      << future.error().message();
}

TEST_F(WatchHubTest, a_watcher_that_falls_behind_is_ended) {
  auto slow = *hub_->open(std::nullopt, {});
  std::vector<WatchEvent> events;
  for (std::size_t n = 0; n < limits::kWatchHistoryEvents + 1; ++n) events.push_back(event("x"));
  hub_->publish(std::move(events));
  EXPECT_EQ(next(slow), "end");
}

TEST_F(WatchHubTest, watchers_are_counted_and_closing_ends_them) {
  {
    auto stream = *hub_->open(std::nullopt, {});
    EXPECT_EQ(hub_->watchers(), 1U);
    hub_->close();
    EXPECT_EQ(next(stream), "end");
  }
  EXPECT_EQ(hub_->watchers(), 0U);
  EXPECT_EQ(hub_->open(std::nullopt, {}).error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace sandboxd::orch
