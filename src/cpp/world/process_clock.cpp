#include "world/process_clock.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

namespace sandboxd::world {
namespace {

void refuse_the_dead(bool dead) {
  if (dead) throw boost::system::system_error(boost::asio::error::operation_aborted);
}

}  // namespace

Task<void> ProcessClock::sleep_until(MonoTime deadline) {
  const auto sleepers = sleepers_;
  refuse_the_dead(sleepers->dead);
  struct Entry {
    ~Entry() { owner->tickets.erase(ticket); }
    std::shared_ptr<Sleepers> owner;
    sim::SimClock::Ticket ticket;
  };
  const Entry entry{sleepers, clock_.ticket(deadline)};
  sleepers->tickets.insert(entry.ticket);
  co_await clock_.sleep_on(entry.ticket);
  // Woken in the very instant of the kill.
  refuse_the_dead(sleepers->dead);
}

void ProcessClock::kill() {
  sleepers_->dead = true;
  for (const auto& ticket : sleepers_->tickets) clock_.abort(ticket);
}

}  // namespace sandboxd::world
