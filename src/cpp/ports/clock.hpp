// Where time comes from. Real: aio/system_clock. Simulated: sim/sim_clock, which moves only when told.
#pragma once

#include "base/task.hpp"
#include "base/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/system/error_code.hpp>

#include <functional>
#include <memory>

namespace sandboxd::ports {

// A call that is to come. Destroying it takes the call back.
class Alarm {
 public:
  // Called once: at the time, or with operation_aborted when the process is being killed.
  using Ring = std::function<void(boost::system::error_code)>;
  virtual ~Alarm() = default;
};

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonoTime mono_now() const = 0;
  [[nodiscard]] virtual WallTime wall_now() const = 0;
  // Returns at `deadline` or later; throws operation_aborted (boost::system::system_error) when cancelled.
  [[nodiscard]] virtual Task<void> sleep_until(MonoTime deadline) = 0;
  // Calls `ring` on `executor` at `deadline` or later, never from within this call. For what mostly does not come to
  // pass, such as a time limit: an alarm that is taken back costs no coroutine and no exception.
  [[nodiscard]] virtual std::unique_ptr<Alarm> alarm_at(const boost::asio::any_io_executor& executor, MonoTime deadline,
                                                        Alarm::Ring ring) = 0;

  [[nodiscard]] Task<void> sleep_for(Duration duration) { return sleep_until(mono_now() + duration); }
};

}  // namespace sandboxd::ports
