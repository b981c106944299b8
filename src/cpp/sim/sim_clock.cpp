#include "sim/sim_clock.hpp"

#include "base/assert.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace sandboxd::sim {

struct SimClock::Sleep {
  SimClock* clock;
  Key key;

  template <class CompletionHandler>
  void operator()(CompletionHandler&& handler) const {
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    clock->add(key, Handler(std::forward<CompletionHandler>(handler)));
    if (!slot.is_connected()) return;
    slot.assign([clock = clock, key = key](boost::asio::cancellation_type) {
      clock->wake(key, boost::asio::error::operation_aborted);
    });
  }
};

// A sleeper whose handler is a function; it may already be on its way when the alarm is taken back.
class SimClock::SimAlarm final : public ports::Alarm {
 public:
  SimAlarm(SimClock& clock, Key key, Ring ring)
      : clock_(clock), key_(key), ring_(std::make_shared<Ring>(std::move(ring))) {
    clock_.add(key_, Handler([ring = ring_](boost::system::error_code error) {
                 const Ring due = std::exchange(*ring, nullptr);
                 if (due) due(error);
               }));
  }
  ~SimAlarm() override {
    *ring_ = nullptr;
    clock_.sleepers_.erase(key_);
  }

 private:
  SimClock& clock_;
  Key key_;
  std::shared_ptr<Ring> ring_;
};

SimClock::SimClock(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

SimClock::~SimClock() = default;

SimClock::Ticket SimClock::ticket(MonoTime deadline) { return {std::max(deadline, now_), next_number_++}; }

void SimClock::abort(Ticket ticket) { wake(ticket, boost::asio::error::operation_aborted); }

Task<void> SimClock::sleep_until(MonoTime deadline) { co_await sleep_on(ticket(deadline)); }

Task<void> SimClock::sleep_on(Ticket key) {
  co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(boost::system::error_code)>(
      Sleep{this, key}, boost::asio::use_awaitable);
}

std::unique_ptr<ports::Alarm> SimClock::alarm_on(Ticket key, ports::Alarm::Ring ring) {
  return std::make_unique<SimAlarm>(*this, key, std::move(ring));
}

std::unique_ptr<ports::Alarm> SimClock::alarm_at(const boost::asio::any_io_executor&, MonoTime deadline,
                                                 ports::Alarm::Ring ring) {
  return alarm_on(ticket(deadline), std::move(ring));
}

void SimClock::add(Key key, Handler handler) { sleepers_.emplace(key, std::move(handler)); }

// No effect when it has woken already: its cancellation slot may still point here.
void SimClock::wake(Key key, boost::system::error_code error) {
  auto entry = sleepers_.extract(key);
  if (entry.empty()) return;
  boost::asio::post(executor_, [handler = std::move(entry.mapped()), error]() mutable { std::move(handler)(error); });
}

std::optional<MonoTime> SimClock::next_deadline() const {
  if (sleepers_.empty()) return std::nullopt;
  return sleepers_.begin()->first.first;
}

bool SimClock::fire_next() {
  if (sleepers_.empty()) return false;
  const Key key = sleepers_.begin()->first;
  now_ = std::max(now_, key.first);
  wake(key, {});
  return true;
}

void SimClock::advance_to(MonoTime to) {
  SBX_ASSERT(sleepers_.empty() || to <= sleepers_.begin()->first.first);
  now_ = std::max(now_, to);
}

}  // namespace sandboxd::sim
