#include "aio/notifier.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace sandboxd::aio {

Notifier::Notifier(boost::asio::any_io_executor executor) : state_(std::make_shared<State>(executor)) {}

void Notifier::notify() {
  ++state_->generation;
  state_->timer.cancel();
}

Task<void> Notifier::wait() {
  auto state = state_;
  const std::uint64_t generation = state->generation;
  const auto result = co_await state->timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  const auto error = std::get<0>(result);
  // notify() and a cancelled coroutine both abort the wait; the generation tells them apart.
  if (generation == state->generation) throw boost::system::system_error(error);
}

}  // namespace sandboxd::aio
