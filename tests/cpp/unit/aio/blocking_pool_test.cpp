#include "aio/blocking_pool.hpp"

#include "aio/io_runtime.hpp"
#include "support/run_task.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace sandboxd::aio {
namespace {

struct Threads {
  std::thread::id work, resumed;
};

Task<Threads> observe(BlockingPool& pool) {
  Threads threads;
  threads.work = co_await pool.run([] { return std::this_thread::get_id(); });
  threads.resumed = std::this_thread::get_id();
  co_return threads;
}

Task<int> run_throwing(BlockingPool& pool) {
  co_return co_await pool.run([]() -> int { throw std::runtime_error("no"); });
}

TEST(BlockingPool, works_elsewhere_and_resumes_on_the_callers_thread) {
  boost::asio::io_context context;
  BlockingPool pool(1);
  const Threads threads = test::run_task(context, observe(pool));
  EXPECT_NE(threads.work, std::this_thread::get_id());
  EXPECT_EQ(threads.resumed, std::this_thread::get_id());
}

TEST(BlockingPool, an_exception_reaches_the_caller) {
  boost::asio::io_context context;
  BlockingPool pool(1);
  EXPECT_THROW(test::run_task(context, run_throwing(pool)), std::runtime_error);
}

Task<void> note_thread(std::thread::id& out) {
  out = std::this_thread::get_id();
  co_return;
}

TEST(IoRuntime, runs_tasks_on_its_own_thread_and_stops_twice) {
  IoRuntime runtime("test-core");
  runtime.start();
  std::thread::id core;
  runtime.run(note_thread(core));
  EXPECT_NE(core, std::this_thread::get_id());
  runtime.stop();
  runtime.stop();
}

struct Niceness {
  int core = 0;
  int child = 0;
};

Task<void> note_niceness(Niceness& out) {
  out.core = getpriority(PRIO_PROCESS, 0);
  const pid_t child = fork();
  if (child == 0) _exit(getpriority(PRIO_PROCESS, 0) == 0 ? 0 : 1);
  waitpid(child, &out.child, 0);
  co_return;
}

TEST(IoRuntime, comes_before_other_threads_as_root_and_what_it_starts_does_not) {
  IoRuntime runtime("test-core");
  runtime.start();
  Niceness niceness;
  runtime.run(note_niceness(niceness));
  runtime.stop();
  if (geteuid() == 0) {
    EXPECT_LT(niceness.core, 0);
  } else {
    EXPECT_EQ(niceness.core, getpriority(PRIO_PROCESS, 0));
  }
  EXPECT_EQ(niceness.child, 0);
}

}  // namespace
}  // namespace sandboxd::aio
