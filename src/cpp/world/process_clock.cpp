#include "world/process_clock.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

namespace sandboxd::world {
namespace {

void refuse_the_dead(bool dead) {
  if (dead) throw boost::system::system_error(boost::asio::error::operation_aborted);
}

}  // namespace

// Known to kill() for as long as it lives.
class ProcessClock::Entry {
 public:
  Entry(std::shared_ptr<Sleepers> owner, sim::SimClock::Ticket ticket) : owner_(std::move(owner)), ticket_(ticket) {
    owner_->tickets.insert(ticket_);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() { owner_->tickets.erase(ticket_); }

 private:
  std::shared_ptr<Sleepers> owner_;
  sim::SimClock::Ticket ticket_;
};

class ProcessClock::ProcessAlarm final : public ports::Alarm {
 public:
  ProcessAlarm(sim::SimClock& clock, const std::shared_ptr<Sleepers>& owner, sim::SimClock::Ticket ticket, Ring ring)
      : entry_(owner, ticket),
        alarm_(clock.alarm_on(ticket, [owner, ring = std::move(ring)](boost::system::error_code error) {
          // Due in the very instant of the kill.
          ring(owner->dead ? boost::system::error_code(boost::asio::error::operation_aborted) : error);
        })) {}

 private:
  Entry entry_;
  std::unique_ptr<ports::Alarm> alarm_;
};

Task<void> ProcessClock::sleep_until(MonoTime deadline) {
  const auto sleepers = sleepers_;
  refuse_the_dead(sleepers->dead);
  const auto ticket = clock_.ticket(deadline);
  const Entry entry(sleepers, ticket);
  co_await clock_.sleep_on(ticket);
  // Woken in the very instant of the kill.
  refuse_the_dead(sleepers->dead);
}

std::unique_ptr<ports::Alarm> ProcessClock::alarm_at(const boost::asio::any_io_executor&, MonoTime deadline,
                                                     ports::Alarm::Ring ring) {
  refuse_the_dead(sleepers_->dead);
  return std::make_unique<ProcessAlarm>(clock_, sleepers_, clock_.ticket(deadline), std::move(ring));
}

void ProcessClock::kill() {
  sleepers_->dead = true;
  for (const auto& ticket : sleepers_->tickets) clock_.abort(ticket);
}

}  // namespace sandboxd::world
