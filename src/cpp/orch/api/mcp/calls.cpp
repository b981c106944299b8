#include "orch/api/mcp/calls.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <tuple>
#include <utility>

namespace sandboxd::orch::mcp {

namespace asio = boost::asio;
namespace json = codec::json;

void Call::cancel() {
  if (is_over()) return;
  is_cancelled_ = true;
  changed_.notify();
  signal_.emit(asio::cancellation_type::terminal);
}

Task<void> Call::wait_until(ports::Clock& clock, MonoTime deadline) {
  if (is_over()) co_return;
  const auto alarm = clock.alarm_at(executor_, deadline,
                                    [changed = changed_](boost::system::error_code) mutable { changed.notify(); });
  co_await changed_.wait();
}

void Calls::start(std::shared_ptr<Call> call, Task<json::object> work) {
  group_.spawn("mcp call", carry(std::move(call), std::move(work)));
}

Task<void> Calls::stop() {
  group_.cancel();
  co_await group_.join();
}

Task<void> Calls::carry(std::shared_ptr<Call> call, Task<json::object> work) {
  if (call->is_cancelled_) co_return;
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  auto group = cancellation.slot();
  if (group.is_connected()) group.assign([call](asio::cancellation_type) { call->cancel(); });
  auto done =
      co_await asio::co_spawn(call->executor_, std::move(work),
                              asio::bind_cancellation_slot(call->signal_.slot(), asio::as_tuple(asio::use_awaitable)));
  if (group.is_connected()) group.clear();
  const std::exception_ptr failure = std::get<0>(done);
  if (!failure) call->answer_ = std::move(std::get<1>(done));
  call->is_done_ = true;
  call->changed_.notify();
  if (failure) std::rethrow_exception(failure);  // the group reports it
}

}  // namespace sandboxd::orch::mcp
