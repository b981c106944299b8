#include "aio/io_runtime.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/use_future.hpp>

#include <csignal>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

namespace sandboxd::aio {
namespace {

constexpr int kNice = -10;

// Sandboxes and builds may take every cycle there is; who asks the platform is answered all the same. What the thread
// starts is as nice as any other process. Without the right to do so, nothing changes.
void prefer_this_thread() {
  const sched_param none{};
  if (sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) != 0) return;
  setpriority(PRIO_PROCESS, 0, kNice);  // of this thread only, on Linux: sched(7)
}

}  // namespace

IoRuntime::IoRuntime(std::string name)
    : name_(std::move(name)), context_(std::make_unique<boost::asio::io_context>(1)) {}

IoRuntime::~IoRuntime() { stop(); }

void IoRuntime::start() {
  guard_.emplace(context_->get_executor());
  thread_ = std::thread([this] {
    // Signals belong to the host program (Python); this thread must not be the one that takes them.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    prefer_this_thread();
    context_->run();
  });
}

void IoRuntime::run(Task<void> task) {
  boost::asio::co_spawn(*context_, std::move(task), boost::asio::use_future).get();
}

void IoRuntime::stop() {
  if (!thread_.joinable()) return;
  guard_.reset();
  context_->stop();
  thread_.join();
}

}  // namespace sandboxd::aio
