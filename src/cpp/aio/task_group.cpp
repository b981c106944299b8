#include "aio/task_group.hpp"

#include "aio/notifier.hpp"
#include "base/assert.hpp"
#include "base/log.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <list>

namespace sandboxd::aio {
namespace {

constexpr Log kLog("aio");

void report(std::string_view name, const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    if (error.code() == boost::asio::error::operation_aborted) return;
    kLog.error("task failed", {{"task", name}, {"error", error.what()}});
  } catch (const std::exception& error) {
    kLog.error("task failed", {{"task", name}, {"error", error.what()}});
  }
}

}  // namespace

struct TaskGroup::State {
  explicit State(boost::asio::any_io_executor e) : executor(e), changed(e) {}

  boost::asio::any_io_executor executor;
  std::list<boost::asio::cancellation_signal> signals;
  Notifier changed;
  bool cancelled = false;
};

TaskGroup::TaskGroup(boost::asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(std::string_view name, Task<void> task) {
  auto state = state_;
  state->signals.emplace_back();
  const auto self = std::prev(state->signals.end());
  boost::asio::co_spawn(state->executor, std::move(task),
                        boost::asio::bind_cancellation_slot(self->slot(), [state, self, name](std::exception_ptr e) {
                          state->signals.erase(self);
                          state->changed.notify();
                          report(name, e);
                        }));
  if (state->cancelled) self->emit(boost::asio::cancellation_type::terminal);
}

void TaskGroup::cancel() {
  state_->cancelled = true;
  // A coroutine may end, and erase its signal, inside emit().
  for (auto it = state_->signals.begin(); it != state_->signals.end();)
    (it++)->emit(boost::asio::cancellation_type::terminal);
}

Task<void> TaskGroup::join() {
  auto state = state_;
  while (!state->signals.empty()) co_await state->changed.wait();
}

std::size_t TaskGroup::size() const { return state_->signals.size(); }

}  // namespace sandboxd::aio
