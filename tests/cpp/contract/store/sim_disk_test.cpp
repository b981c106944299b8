// The faults of the simulated disk, which the simulation relies on.
#include "sim/sim_disk.hpp"

#include "aio/notifier.hpp"
#include "sim/sim_node_store.hpp"
#include "sim/sim_store.hpp"
#include "support/run_task.hpp"
#include "support/sample_model.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>

namespace sandboxd::test {
namespace {

// Stands still until it is told to move.
class ManualClock final : public ports::Clock {
 public:
  explicit ManualClock(boost::asio::io_context& context) : moved_(context.get_executor()) {}
  [[nodiscard]] MonoTime mono_now() const override { return now_; }
  [[nodiscard]] WallTime wall_now() const override { return {now_.ns}; }
  [[nodiscard]] Task<void> sleep_until(MonoTime deadline) override {
    while (now_ < deadline) co_await moved_.wait();
  }
  [[nodiscard]] std::unique_ptr<ports::Alarm> alarm_at(const boost::asio::any_io_executor&, MonoTime,
                                                       ports::Alarm::Ring) override {
    throw std::logic_error("a disk sets no alarms");
  }
  void advance(Duration by) {
    now_ = now_ + by;
    moved_.notify();
  }

 private:
  MonoTime now_;
  aio::Notifier moved_;
};

class SimDisk : public testing::Test {
 protected:
  SimDisk() { reopen(); }

  void reopen() {
    store_.reset();
    store_ = sim::SimStore::open(disk_, clock_).value();
  }
  Result<void> apply(const std::string& id, std::int64_t revision) {
    return run_task(context_, store_->apply({{ports::PutSandbox{full_sandbox(id)}}, revision}));
  }
  // Started, not awaited: the outcome appears when the clock has moved.
  void start(const std::string& id, std::int64_t revision, std::optional<Result<void>>& outcome) {
    boost::asio::co_spawn(context_, store_->apply({{ports::PutSandbox{full_sandbox(id)}}, revision}),
                          [&outcome](std::exception_ptr, Result<void> result) { outcome = std::move(result); });
    settle();
  }
  void settle() {
    context_.restart();
    while (context_.poll() != 0) {
    }
  }
  std::size_t count() { return run_task(context_, store_->load()).value().sandboxes.size(); }

  boost::asio::io_context context_;
  ManualClock clock_{context_};
  std::shared_ptr<sim::StoreDisk> disk_ = std::make_shared<sim::StoreDisk>();
  std::unique_ptr<sim::SimStore> store_;
};

TEST_F(SimDisk, the_nth_write_fails_once) {
  disk_->faults.fail_nth_write = 2;
  EXPECT_TRUE(apply("a", 1));
  const auto failed = apply("b", 2);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_EQ(count(), 1U);
  EXPECT_TRUE(apply("b", 2));
  EXPECT_EQ(count(), 2U);
}

TEST_F(SimDisk, a_failed_sync_takes_its_write_back) {
  disk_->faults.fail_nth_sync = 1;
  EXPECT_FALSE(apply("a", 1));
  EXPECT_EQ(count(), 0U);
  EXPECT_TRUE(apply("b", 2));
  disk_->crash();
  reopen();
  EXPECT_EQ(count(), 1U);
}

TEST_F(SimDisk, an_answer_waits_for_the_sync) {
  disk_->faults.delay = std::chrono::milliseconds(5);
  std::optional<Result<void>> outcome;
  start("a", 1, outcome);
  EXPECT_FALSE(outcome);
  EXPECT_EQ(disk_->unsynced(), 1U);
  EXPECT_TRUE(disk_->durable().sandboxes.empty());
  clock_.advance(std::chrono::milliseconds(5));
  settle();
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(*outcome);
  EXPECT_EQ(disk_->durable().sandboxes.size(), 1U);
}

TEST_F(SimDisk, a_crash_before_the_sync_loses_the_write_and_fails_the_call) {
  disk_->faults.delay = std::chrono::milliseconds(5);
  std::optional<Result<void>> outcome;
  start("a", 1, outcome);
  disk_->crash();
  clock_.advance(std::chrono::milliseconds(5));
  settle();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code(), ErrorCode::storage_failed);
  reopen();
  EXPECT_EQ(count(), 0U);
}

TEST_F(SimDisk, a_crash_may_keep_writes_that_happened_to_arrive) {
  disk_->faults.delay = std::chrono::milliseconds(5);
  std::optional<Result<void>> first;
  std::optional<Result<void>> second;
  start("a", 1, first);
  start("b", 2, second);
  disk_->crash(1);
  clock_.advance(std::chrono::milliseconds(5));
  settle();
  reopen();
  EXPECT_EQ(count(), 1U);
}

TEST_F(SimDisk, closing_a_store_loses_nothing) {
  EXPECT_TRUE(apply("a", 1));
  reopen();
  EXPECT_EQ(count(), 1U);
}

TEST_F(SimDisk, a_lying_disk_loses_acknowledged_writes_in_a_crash) {
  disk_->faults.acknowledge_unsynced = true;
  EXPECT_TRUE(apply("a", 1));
  EXPECT_EQ(count(), 1U);
  disk_->crash();
  reopen();
  EXPECT_EQ(count(), 0U);
}

TEST(SimNodeDisk, one_sync_covers_all_earlier_writes) {
  boost::asio::io_context context;
  ManualClock clock(context);
  const auto disk = std::make_shared<sim::NodeStoreDisk>();
  const auto store = sim::SimNodeStore::open(disk, clock).value();
  disk->faults.delay = std::chrono::milliseconds(5);
  int done = 0;
  for (const char* id : {"a", "b"}) {
    boost::asio::co_spawn(context, store->put(full_node_sandbox(id)),
                          [&done](std::exception_ptr, Result<void> outcome) { done += outcome ? 1 : 0; });
  }
  while (context.poll() != 0) {
  }
  EXPECT_EQ(disk->unsynced(), 2U);
  clock.advance(std::chrono::milliseconds(5));
  context.restart();
  while (context.poll() != 0) {
  }
  EXPECT_EQ(done, 2);
  EXPECT_EQ(disk->durable().sandboxes.size(), 2U);
}

}  // namespace
}  // namespace sandboxd::test
