#include "aio/task_group.hpp"

#include "aio/notifier.hpp"
#include "base/log.hpp"
#include "support/run_task.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace sandboxd::aio {
namespace {

Task<void> wait_on(Notifier& notifier, int& woken) {
  co_await notifier.wait();
  ++woken;
}

Task<void> fail() {
  throw std::runtime_error("broken");
  co_return;
}

Task<void> clean_up_after(Notifier& never, Notifier& released, bool& cleaned) {
  bool cancelled = false;
  try {
    co_await never.wait();
  } catch (const boost::system::system_error&) {
    cancelled = true;
  }
  if (!cancelled) co_return;
  co_await ignore_cancellation();
  co_await released.wait();  // a clean-up that itself waits
  cleaned = true;
}

TEST(TaskGroup, join_waits_for_every_task) {
  boost::asio::io_context context;
  Notifier notifier(context.get_executor());
  TaskGroup group(context.get_executor());
  int woken = 0;
  for (int i = 0; i < 3; ++i) group.spawn("wait", wait_on(notifier, woken));
  context.poll();
  EXPECT_EQ(group.size(), 3U);
  notifier.notify();
  test::run_task(context, group.join());
  EXPECT_EQ(woken, 3);
}

TEST(TaskGroup, cancel_ends_waiting_tasks_silently) {
  boost::asio::io_context context;
  Notifier notifier(context.get_executor());
  TaskGroup group(context.get_executor());
  int woken = 0, logged = 0;
  set_log_observer([&](const LogRecord&) { ++logged; });
  group.spawn("wait", wait_on(notifier, woken));
  context.poll();
  group.cancel();
  test::run_task(context, group.join());
  set_log_observer({});
  EXPECT_EQ(woken, 0);
  EXPECT_EQ(logged, 0);
}

TEST(TaskGroup, a_failing_task_is_logged_and_the_others_go_on) {
  boost::asio::io_context context;
  Notifier notifier(context.get_executor());
  TaskGroup group(context.get_executor());
  int woken = 0;
  std::string line;
  set_log_observer([&](const LogRecord& record) { line = record.line; });
  group.spawn("wait", wait_on(notifier, woken));
  group.spawn("fail", fail());
  context.poll();
  EXPECT_EQ(group.size(), 1U);
  notifier.notify();
  test::run_task(context, group.join());
  set_log_observer({});
  EXPECT_NE(line.find(R"("task":"fail","error":"broken")"), std::string::npos) << line;
  EXPECT_EQ(woken, 1);
}

TEST(TaskGroup, a_cancelled_task_may_wait_while_it_cleans_up) {
  boost::asio::io_context context;
  Notifier never(context.get_executor()), released(context.get_executor());
  TaskGroup group(context.get_executor());
  bool cleaned = false;
  group.spawn("clean", clean_up_after(never, released, cleaned));
  context.poll();
  group.cancel();
  context.restart();
  context.poll();
  EXPECT_FALSE(cleaned);
  released.notify();
  test::run_task(context, group.join());
  EXPECT_TRUE(cleaned);
}

TEST(TaskGroup, what_is_spawned_after_cancel_starts_cancelled) {
  boost::asio::io_context context;
  Notifier notifier(context.get_executor());
  TaskGroup group(context.get_executor());
  int woken = 0;
  group.cancel();
  group.spawn("late", wait_on(notifier, woken));
  test::run_task(context, group.join());
  EXPECT_EQ(woken, 0);
}

}  // namespace
}  // namespace sandboxd::aio
