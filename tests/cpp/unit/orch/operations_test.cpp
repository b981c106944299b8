// Readiness and figures of an engine on a simulated disk.
#include "orch/operations.hpp"

#include "orch/engine.hpp"
#include "orch/service.hpp"
#include "sim/sim_clock.hpp"
#include "sim/sim_store.hpp"
#include "sim/sim_transport.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::orch {
namespace {

using testing::HasSubstr;

class OperationsTest : public testing::Test {
 protected:
  OperationsTest() {
    const auto started = run(engine_.start());
    EXPECT_TRUE(started);
    operations_ = std::make_unique<Operations>(context_.get_executor(), engine_, clock_);
  }
  ~OperationsTest() override {
    run(engine_.stop());
    run(operations_->join());
    transport_.cancel();
    run(transport_.join());
  }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr, T value) { out = std::move(value); });
    for (int n = 0; n < 100000 && !out; ++n) step();
    return std::move(out).value();
  }
  void run(Task<void> task) {
    bool done = false;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr) { done = true; });
    for (int n = 0; n < 100000 && !done; ++n) step();
    EXPECT_TRUE(done);
  }
  void step() {
    context_.restart();
    if (context_.poll() == 0) clock_.fire_next();
  }
  void pass(Duration time) { run(clock_.sleep_for(time)); }

  boost::asio::io_context context_;
  sim::SimClock clock_{context_.get_executor()};
  sim::SimTransport transport_{context_.get_executor(), clock_, 1};
  std::shared_ptr<sim::StoreDisk> disk_ = std::make_shared<sim::StoreDisk>();
  std::unique_ptr<sim::SimStore> store_ = *sim::SimStore::open(disk_, clock_);
  Engine engine_{context_.get_executor(), *store_, transport_, clock_, OrchConfig(), 1};
  std::unique_ptr<Operations> operations_;
};

TEST_F(OperationsTest, ready_means_that_a_commit_was_just_made) {
  const auto before = disk_->writes();
  EXPECT_TRUE(run(operations_->check_ready()));
  EXPECT_EQ(disk_->writes(), before + 1);
  EXPECT_EQ(engine_.stats().commits, 1U);
  EXPECT_EQ(engine_.state().revision(), 0) << "nothing has changed";
}

TEST_F(OperationsTest, asking_often_costs_one_commit_a_second) {
  for (int n = 0; n < 100; ++n) EXPECT_TRUE(run(operations_->check_ready()));
  EXPECT_EQ(engine_.stats().commits, 1U);
  pass(std::chrono::milliseconds(1500));
  EXPECT_TRUE(run(operations_->check_ready()));
  EXPECT_EQ(engine_.stats().commits, 2U);
}

TEST_F(OperationsTest, a_full_disk_is_a_reason_until_there_is_room_again) {
  disk_->faults.full = true;
  const auto full = run(operations_->check_ready());
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code(), ErrorCode::storage_failed);
  EXPECT_THAT(full.error().message(), HasSubstr("full"));
  disk_->faults.full = false;
  pass(std::chrono::seconds(2));
  EXPECT_TRUE(run(operations_->check_ready()));
}

TEST_F(OperationsTest, a_disk_that_hangs_does_not_hang_the_answer) {
  disk_->faults.delay = std::chrono::hours(1);
  const MonoTime begin = clock_.mono_now();
  const auto late = run(operations_->check_ready());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(late.error().message(), HasSubstr("disk stuck"));
  EXPECT_EQ(clock_.mono_now() - begin, std::chrono::seconds(2));
  // Whoever asks meanwhile waits for the same probe.
  EXPECT_FALSE(run(operations_->check_ready()));
  EXPECT_EQ(disk_->writes(), 1U);
}

TEST_F(OperationsTest, a_stopping_engine_is_not_ready) {
  run(engine_.stop());
  const auto stopped = run(operations_->check_ready());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::unavailable);
}

TEST_F(OperationsTest, figures_follow_the_state) {
  SandboxService service(engine_, transport_, clock_);
  CreateSandbox create;
  model::Container container;
  container.name = "app";
  container.image = "local/app:1";
  create.spec.containers.push_back(container);
  for (const char* id : {"a", "b"}) {
    create.id = SandboxId(id);
    ASSERT_TRUE(run(service.create(create)));
  }
  Figures figures = operations_->figures();
  EXPECT_EQ(figures.sandboxes[model::Phase::pending], 2U);
  EXPECT_EQ(figures.sandboxes[model::Phase::running], 0U);
  EXPECT_EQ(figures.waiting, 2U);
  EXPECT_EQ(figures.commit_time.count(), figures.commits);
  EXPECT_EQ(figures.revision, engine_.state().revision());
  ASSERT_TRUE(run(service.remove(SandboxId("a"))));
  figures = operations_->figures();
  EXPECT_EQ(figures.sandboxes[model::Phase::pending] + figures.sandboxes[model::Phase::deleting],
            engine_.state().sandboxes().size());
}

TEST_F(OperationsTest, a_failed_turn_leaves_the_counts_as_they_were) {
  SandboxService service(engine_, transport_, clock_);
  CreateSandbox create;
  create.id = SandboxId("a");
  model::Container container;
  container.name = "app";
  container.image = "local/app:1";
  create.spec.containers.push_back(container);
  disk_->faults.fail_nth_write = 1;
  EXPECT_FALSE(run(service.create(create)));
  EXPECT_EQ(operations_->figures().sandboxes[model::Phase::pending], 0U);
}

TEST_F(OperationsTest, a_reload_changes_what_may_change_and_names_the_rest) {
  OrchConfig next;
  next.place_deadline = std::chrono::seconds(7);
  next.notready_failure_threshold = 5;
  next.data_dir = "/elsewhere";
  next.sandbox_op_timeout = std::chrono::seconds(9);
  const ConfigReload done = engine_.reload(next);
  EXPECT_THAT(done.changed, testing::ElementsAre("sandbox_op_timeout", "notready_failure_threshold", "place_deadline"));
  EXPECT_THAT(done.need_restart, testing::ElementsAre("data_dir"));
  EXPECT_EQ(engine_.config().place_deadline, std::chrono::seconds(7));
  EXPECT_EQ(engine_.config().data_dir, OrchConfig().data_dir);
}

}  // namespace
}  // namespace sandboxd::orch
