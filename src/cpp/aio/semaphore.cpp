#include "aio/semaphore.hpp"

namespace sandboxd::aio {

Task<Semaphore::Permit> Semaphore::acquire() {
  auto state = state_;
  struct Ticket {
    ~Ticket() {
      owner->waiting.erase(number);
      owner->changed.notify();  // whoever is next may go, also when this one was cancelled
    }
    std::shared_ptr<State> owner;
    std::uint64_t number;
  };
  const Ticket ticket{state, state->next_ticket++};
  state->waiting.insert(ticket.number);
  while (state->free == 0 || *state->waiting.begin() != ticket.number) co_await state->changed.wait();
  --state->free;
  co_return Permit(state);
}

}  // namespace sandboxd::aio
