#include "aio/deadline.hpp"

#include "aio/notifier.hpp"
#include "aio/system_clock.hpp"
#include "aio/task_group.hpp"
#include "support/run_task.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace sandboxd::aio {
namespace {

// A clock whose sleeps end when the test says so.
class HandClock final : public ports::Clock {
 public:
  explicit HandClock(boost::asio::any_io_executor executor) : moved_(std::move(executor)) {}
  MonoTime mono_now() const override { return now_; }
  WallTime wall_now() const override { return {now_.ns}; }
  Task<void> sleep_until(MonoTime deadline) override {
    while (now_ < deadline) co_await moved_.wait();
  }
  std::unique_ptr<ports::Alarm> alarm_at(const boost::asio::any_io_executor&, MonoTime deadline,
                                         ports::Alarm::Ring ring) override {
    return std::make_unique<HandAlarm>(*this, deadline, std::move(ring));
  }
  void advance(Duration by) {
    now_ = now_ + by;
    moved_.notify();
    for (HandAlarm* alarm : std::vector<HandAlarm*>(alarms_.begin(), alarms_.end())) {
      if (!alarms_.contains(alarm) || alarm->deadline > now_) continue;
      alarms_.erase(alarm);
      const ports::Alarm::Ring ring = alarm->ring;
      ring({});
    }
  }
  std::size_t alarms() const { return alarms_.size(); }

 private:
  struct HandAlarm final : ports::Alarm {
    HandAlarm(HandClock& owner, MonoTime at, Ring r) : clock(owner), deadline(at), ring(std::move(r)) {
      clock.alarms_.insert(this);
    }
    ~HandAlarm() override { clock.alarms_.erase(this); }
    HandClock& clock;
    MonoTime deadline;
    Ring ring;
  };

  MonoTime now_;
  Notifier moved_;
  std::set<HandAlarm*> alarms_;
};

Task<Result<int>> answer_after(Notifier& notifier) {
  co_await notifier.wait();
  co_return 42;
}

Task<Result<int>> answer_now() { co_return 7; }

Task<void> keep(Task<Result<int>> work, std::optional<Result<int>>& out) {
  auto result = co_await std::move(work);
  out = std::move(result);
}

TEST(Deadline, quick_work_gives_its_result) {
  boost::asio::io_context context;
  HandClock clock(context.get_executor());
  const auto result = test::run_task(context, with_deadline(clock, std::chrono::seconds(1), answer_now(), "work"));
  EXPECT_EQ(result.value(), 7);
  EXPECT_EQ(clock.alarms(), 0U);
}

TEST(Deadline, late_work_is_cancelled_and_named) {
  boost::asio::io_context context;
  HandClock clock(context.get_executor());
  Notifier never(context.get_executor());
  TaskGroup group(context.get_executor());
  std::optional<Result<int>> out;
  group.spawn("work", keep(with_deadline(clock, std::chrono::seconds(1), answer_after(never), "pull"), out));
  context.poll();
  clock.advance(std::chrono::milliseconds(999));
  context.poll();
  EXPECT_FALSE(out);
  clock.advance(std::chrono::milliseconds(1));
  context.poll();
  ASSERT_TRUE(out);
  EXPECT_EQ(out->error().code(), ErrorCode::deadline_exceeded);
  EXPECT_EQ(out->error().message(), "pull: not done within 1000 ms");
}

TEST(Deadline, cancelling_the_caller_cancels_the_work) {
  boost::asio::io_context context;
  HandClock clock(context.get_executor());
  Notifier never(context.get_executor());
  TaskGroup group(context.get_executor());
  std::optional<Result<int>> out;
  group.spawn("work", keep(with_deadline(clock, std::chrono::seconds(1), answer_after(never), "pull"), out));
  context.poll();
  group.cancel();
  test::run_task(context, group.join());
  EXPECT_FALSE(out);
}

TEST(SystemClock, an_alarm_rings_once) {
  boost::asio::io_context context;
  SystemClock clock;
  int rings = 0;
  const auto alarm = clock.alarm_at(context.get_executor(), clock.mono_now(), [&](auto error) { rings += !error; });
  EXPECT_EQ(rings, 0);
  context.run();
  EXPECT_EQ(rings, 1);
}

TEST(SystemClock, an_alarm_that_was_taken_back_does_not_ring) {
  boost::asio::io_context context;
  SystemClock clock;
  int rings = 0;
  const auto count = [&](auto) { ++rings; };
  auto due = clock.alarm_at(context.get_executor(), clock.mono_now(), count);
  auto later = clock.alarm_at(context.get_executor(), clock.mono_now() + std::chrono::hours(1), count);
  // Behind the expiry of the first one, which is on its way by then.
  boost::asio::steady_timer turn(context, std::chrono::steady_clock::time_point::min());
  turn.async_wait([&](auto) {
    due.reset();
    later.reset();
  });
  context.run();  // ends: nothing waits for the hour
  EXPECT_EQ(rings, 0);
}

TEST(SystemClock, sleeps_at_least_as_long_as_asked) {
  boost::asio::io_context context;
  SystemClock clock;
  const MonoTime start = clock.mono_now();
  test::run_task(context, clock.sleep_for(std::chrono::milliseconds(5)));
  EXPECT_GE(clock.mono_now() - start, std::chrono::milliseconds(5));
}

}  // namespace
}  // namespace sandboxd::aio
