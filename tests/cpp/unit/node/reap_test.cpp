// What has ended is kept, unless the node is to remove it as the original does.
#include "unit/node/node_fixture.hpp"

namespace sandboxd::node {
namespace {

using model::Phase;
using std::chrono::seconds;

class ReapTest : public NodeFixture {
 protected:
  void start(bool reaps) {
    config_.reap_exited = reaps;
    config_.reconcile_interval = seconds(15);
    start_agent();
    ASSERT_TRUE(run(agent_->create(simple_request("a"))));
    ASSERT_TRUE(settle("a"));
  }
  void end(int exit_code) {
    runtime_machine_->exit(agent_->get(SandboxId("a"))->containers[0].key, exit_code);
    ASSERT_TRUE(run_until([&] { return phase("a") == Phase::stopped || phase("a") == Phase::failed; }));
  }
  bool is_there() { return agent_->get(SandboxId("a")).has_value(); }
};

TEST_F(ReapTest, an_end_is_kept_by_default) {
  start(false);
  end(3);
  pass(std::chrono::hours(1));
  ASSERT_TRUE(is_there());
  EXPECT_EQ(agent_->get(SandboxId("a"))->containers[0].exit_code, 3);
}

TEST_F(ReapTest, an_end_that_two_comparisons_saw_is_removed_with_its_log) {
  for (const int exit_code : {0, 3}) {
    if (agent_) restart_agent();
    if (!agent_) start(true);
    if (!is_there()) {
      auto again = simple_request("a");
      again.uid[4] = static_cast<char>('0' + exit_code);
      ASSERT_TRUE(run(agent_->create(again)));
      ASSERT_TRUE(settle("a"));
    }
    end(exit_code);
    pass(seconds(20));
    EXPECT_TRUE(is_there());
    pass(seconds(20));
    EXPECT_FALSE(is_there());
    expect_clean_machine();
  }
}

TEST_F(ReapTest, comparisons_by_hand_do_not_shorten_the_grace) {
  config_.reconcile_grace = seconds(60);
  start(true);
  end(1);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(run(agent_->reconcile()));
  pass(seconds(50));
  EXPECT_TRUE(is_there());
  pass(seconds(40));
  EXPECT_FALSE(is_there());
}

TEST_F(ReapTest, a_sandbox_that_runs_is_left_alone) {
  start(true);
  pass(std::chrono::hours(1));
  EXPECT_EQ(phase("a"), Phase::running);
}

TEST_F(ReapTest, a_full_disk_delays_it) {
  start(true);
  end(1);
  disk_->faults.full = true;
  pass(std::chrono::minutes(5));
  EXPECT_TRUE(is_there());
  disk_->faults.full = false;
  pass(std::chrono::minutes(1));
  EXPECT_FALSE(is_there());
  expect_clean_machine();
}

}  // namespace
}  // namespace sandboxd::node
