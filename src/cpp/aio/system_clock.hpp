// The machine's clock behind ports::Clock.
#pragma once

#include "ports/clock.hpp"

namespace sandboxd::aio {

class SystemClock final : public ports::Clock {
 public:
  [[nodiscard]] MonoTime mono_now() const override;
  [[nodiscard]] WallTime wall_now() const override;
  [[nodiscard]] Task<void> sleep_until(MonoTime deadline) override;
  [[nodiscard]] std::unique_ptr<ports::Alarm> alarm_at(const boost::asio::any_io_executor& executor, MonoTime deadline,
                                                       ports::Alarm::Ring ring) override;
};

}  // namespace sandboxd::aio
