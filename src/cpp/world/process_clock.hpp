// The clock as one simulated process sees it. kill() ends every sleep and alarm that the process ever began, and
// refuses new ones, with operation_aborted, also in shielded work: a killed process goes no further, wherever it was.
#pragma once

#include "sim/sim_clock.hpp"

#include <memory>
#include <set>

namespace sandboxd::world {

class ProcessClock final : public ports::Clock {
 public:
  // `clock` must outlive this and its sleepers.
  explicit ProcessClock(sim::SimClock& clock) : clock_(clock) {}

  [[nodiscard]] MonoTime mono_now() const override { return clock_.mono_now(); }
  [[nodiscard]] WallTime wall_now() const override { return clock_.wall_now(); }
  [[nodiscard]] Task<void> sleep_until(MonoTime deadline) override;
  [[nodiscard]] std::unique_ptr<ports::Alarm> alarm_at(const boost::asio::any_io_executor& executor, MonoTime deadline,
                                                       ports::Alarm::Ring ring) override;

  void kill();

 private:
  // Shared, so that a sleeper may be destroyed after this.
  struct Sleepers {
    std::set<sim::SimClock::Ticket> tickets;
    bool dead = false;
  };
  class Entry;
  class ProcessAlarm;

  sim::SimClock& clock_;
  std::shared_ptr<Sleepers> sleepers_ = std::make_shared<Sleepers>();
};

}  // namespace sandboxd::world
