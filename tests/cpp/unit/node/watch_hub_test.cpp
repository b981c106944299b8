#include "node/watch_hub.hpp"

#include "base/limits.hpp"
#include "unit/node/node_fixture.hpp"

namespace sandboxd::node {
namespace {

class WatchTest : public NodeFixture {};

TEST_F(WatchTest, a_watch_begins_with_report_sandboxes_and_end_and_goes_on_in_order) {
  start_agent();
  ASSERT_TRUE(run(agent_->create(simple_request("a"))));
  ASSERT_TRUE(settle("a"));
  auto watch = *agent_->subscribe();
  EXPECT_TRUE(std::holds_alternative<model::NodeReport>(*run(watch->next())));
  EXPECT_EQ(std::get<model::NodeSandboxStatus>(*run(watch->next())).phase, model::Phase::running);
  EXPECT_TRUE(std::holds_alternative<ports::NodeSnapshotEnd>(*run(watch->next())));
  ASSERT_TRUE(run(agent_->remove(SandboxId("a"), "")));
  EXPECT_EQ(std::get<model::NodeSandboxStatus>(*run(watch->next())).phase, model::Phase::deleting);
  EXPECT_EQ(std::get<ports::NodeSandboxGone>(*run(watch->next())).id, SandboxId("a"));
  EXPECT_TRUE(std::holds_alternative<model::NodeReport>(*run(watch->next())));
}

TEST_F(WatchTest, a_watcher_that_falls_behind_is_told_so) {
  WatchHub hub(context_.get_executor());
  auto watch = *hub.subscribe({});
  for (std::size_t i = 0; i <= limits::kWatcherBacklogMax; ++i) hub.publish(ports::NodeSnapshotEnd{});
  EXPECT_EQ(run(watch->next()).error().code(), ErrorCode::unavailable);
}

TEST_F(WatchTest, a_stopping_agent_ends_its_watches) {
  start_agent();
  auto watch = *agent_->subscribe();
  stop_agent();
  EXPECT_TRUE(run(watch->next()));  // what was queued
  EXPECT_TRUE(run(watch->next()));
  EXPECT_FALSE(run(watch->next()));
}

}  // namespace
}  // namespace sandboxd::node
