#include "aio/semaphore.hpp"

#include "aio/task_group.hpp"
#include "support/run_task.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace sandboxd::aio {
namespace {

Task<void> hold(Semaphore& semaphore, Notifier& release, std::vector<int>& order, int who) {
  const auto permit = co_await semaphore.acquire();
  order.push_back(who);
  co_await release.wait();
}

TEST(Semaphore, lets_in_as_many_as_it_has_permits_in_order_of_arrival) {
  boost::asio::io_context context;
  Semaphore semaphore(context.get_executor(), 2);
  Notifier release(context.get_executor());
  TaskGroup group(context.get_executor());
  std::vector<int> order;
  for (int who = 0; who < 5; ++who) group.spawn("hold", hold(semaphore, release, order, who));
  context.poll();
  EXPECT_EQ(order, (std::vector<int>{0, 1}));
  release.notify();
  context.poll();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
  release.notify();
  context.poll();
  release.notify();
  test::run_task(context, group.join());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(semaphore.available(), 2U);
}

TEST(Semaphore, who_gives_up_waiting_does_not_block_the_rest) {
  boost::asio::io_context context;
  Semaphore semaphore(context.get_executor(), 1);
  Notifier release(context.get_executor());
  TaskGroup first(context.get_executor()), second(context.get_executor()), third(context.get_executor());
  std::vector<int> order;
  first.spawn("hold", hold(semaphore, release, order, 1));
  second.spawn("hold", hold(semaphore, release, order, 2));
  third.spawn("hold", hold(semaphore, release, order, 3));
  context.poll();
  second.cancel();
  context.poll();
  release.notify();
  context.poll();
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
  third.cancel();
  test::run_task(context, third.join());
  EXPECT_EQ(semaphore.available(), 1U);
}

TEST(Semaphore, wakes_one_of_thousands_who_wait) {
  boost::asio::io_context context;
  Semaphore semaphore(context.get_executor(), 1);
  Notifier release(context.get_executor());
  std::vector<int> order;
  TaskGroup waiting(context.get_executor());
  for (int who = 0; who < 1000; ++who) waiting.spawn("hold", hold(semaphore, release, order, who));
  context.poll();
  release.notify();
  EXPECT_LT(context.poll(), 20U) << "handlers that ran";
  EXPECT_EQ(order, (std::vector<int>{0, 1}));
  waiting.cancel();
  test::run_task(context, waiting.join());
  EXPECT_EQ(semaphore.available(), 1U);
}

}  // namespace
}  // namespace sandboxd::aio
