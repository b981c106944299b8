// Time that moves only when told. A run of the simulator is: poll the io_context until nothing is left to do, then jump
// to the next deadline. Equal deadlines fire in the order in which they were asked for, so runs repeat exactly.
//
// One thread. Outlives every coroutine that sleeps on it.
#pragma once

#include "base/time.hpp"
#include "ports/clock.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/system/error_code.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace sandboxd::sim {

class SimClock final : public ports::Clock {
 public:
  explicit SimClock(boost::asio::any_io_executor executor);
  ~SimClock() override;

  [[nodiscard]] MonoTime mono_now() const override { return now_; }
  [[nodiscard]] WallTime wall_now() const override { return {now_.ns + wall_offset_.count()}; }
  [[nodiscard]] Task<void> sleep_until(MonoTime deadline) override;
  [[nodiscard]] std::unique_ptr<ports::Alarm> alarm_at(const boost::asio::any_io_executor& executor, MonoTime deadline,
                                                       ports::Alarm::Ring ring) override;

  // A sleep (or an alarm) in two steps, so that abort() can end it with operation_aborted whatever shields the sleeper:
  // how a killed process stops. A ticket is good for one sleep.
  using Ticket = std::pair<MonoTime, std::uint64_t>;
  [[nodiscard]] Ticket ticket(MonoTime deadline);
  [[nodiscard]] Task<void> sleep_on(Ticket ticket);
  [[nodiscard]] std::unique_ptr<ports::Alarm> alarm_on(Ticket ticket, ports::Alarm::Ring ring);
  void abort(Ticket ticket);

  // The next deadline, if anybody sleeps.
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;
  // Jumps to it and wakes the one sleeper whose turn it is. False when nobody sleeps.
  bool fire_next();
  // Without waking anybody: `to` must not be beyond the next deadline.
  void advance_to(MonoTime to);
  // The wall clock jumps, as wall clocks do; monotonic time does not.
  void jump_wall(Duration by) { wall_offset_ += by; }
  [[nodiscard]] std::size_t sleepers() const { return sleepers_.size(); }

 private:
  using Handler = boost::asio::any_completion_handler<void(boost::system::error_code)>;
  using Key = Ticket;
  struct Sleep;
  class SimAlarm;

  void add(Key key, Handler handler);
  void wake(Key key, boost::system::error_code error);

  boost::asio::any_io_executor executor_;
  MonoTime now_{1'000'000'000};
  Duration wall_offset_{1'767'225'600'000'000'000};  // 2026-01-01
  std::uint64_t next_number_ = 0;
  std::map<Key, Handler> sleepers_;
};

}  // namespace sandboxd::sim
