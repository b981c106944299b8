#include "aio/semaphore.hpp"

namespace sandboxd::aio {

Task<Semaphore::Permit> Semaphore::acquire() {
  auto state = state_;
  struct Ticket {
    ~Ticket() {
      owner->waiting.erase(number);
      owner->wake_next();  // also when this one was cancelled
    }
    std::shared_ptr<State> owner;
    std::uint64_t number;
  };
  if (state->free > 0 && state->waiting.empty()) {
    --state->free;
    co_return Permit(state);
  }
  const Ticket ticket{state, state->next_ticket++};
  Notifier& turn = state->waiting.emplace(ticket.number, state->executor).first->second;
  while (state->free == 0 || state->waiting.begin()->first != ticket.number) co_await turn.wait();
  --state->free;
  co_return Permit(state);
}

}  // namespace sandboxd::aio
