#include "agent/loop.hpp"

#include <sys/epoll.h>

namespace sandboxd::agent {

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void Loop::control(int operation, int fd, const Watched& watched) const {
  epoll_event event{};
  event.events = watched.events;
  // The generation tells a descriptor from an earlier one of the same number.
  event.data.u64 = (std::uint64_t{watched.generation} << 32U) | static_cast<std::uint32_t>(fd);
  ::epoll_ctl(epoll_.get(), operation, fd, &event);
}

void Loop::watch(int fd, std::uint32_t events, Handler handler) {
  Watched& watched = watched_[fd];
  watched = {++generation_, events, std::make_shared<Handler>(std::move(handler))};
  if (events != 0) control(EPOLL_CTL_ADD, fd, watched);
}

void Loop::change(int fd, std::uint32_t events) {
  const auto found = watched_.find(fd);
  if (found == watched_.end() || found->second.events == events) return;
  const bool was_added = std::exchange(found->second.events, events) != 0;
  if (events == 0) {
    control(EPOLL_CTL_DEL, fd, found->second);
  } else {
    control(was_added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, found->second);
  }
}

void Loop::unwatch(int fd) {
  change(fd, 0);
  watched_.erase(fd);
}

Loop::Timer Loop::after(std::int64_t delay_ns, std::function<void()> action) {
  const Timer timer = ++last_timer_;
  const std::int64_t now = mono_ns();
  const std::int64_t deadline = delay_ns > INT64_MAX - now ? INT64_MAX : now + delay_ns;
  deadlines_[timer] = deadline;
  timers_[{deadline, timer}] = std::move(action);
  return timer;
}

void Loop::cancel(Timer timer) {
  const auto found = deadlines_.find(timer);
  if (found == deadlines_.end()) return;
  timers_.erase({found->second, timer});
  deadlines_.erase(found);
}

void Loop::run_timers() {
  const std::int64_t now = mono_ns();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const auto action = std::move(timers_.begin()->second);
    deadlines_.erase(timers_.begin()->first.second);
    timers_.erase(timers_.begin());
    action();
  }
}

int Loop::wait_ms(bool is_busy) const {
  if (is_busy) return 0;
  if (timers_.empty()) return -1;
  const std::int64_t left = timers_.begin()->first.first - mono_ns();
  if (left <= 0) return 0;
  return static_cast<int>(std::min<std::int64_t>(left / 1'000'000 + 1, 3'600'000));
}

int Loop::run() {
  bool is_busy = between_ && between_();
  while (!stopped_) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_.get(), events, 64, wait_ms(is_busy));
    for (int i = 0; i < count; ++i) {
      const auto found = watched_.find(static_cast<int>(events[i].data.u64 & 0xFFFFFFFFU));
      if (found == watched_.end() || found->second.generation != events[i].data.u64 >> 32U) continue;
      const auto handler = found->second.handler;  // lives on when it unwatches itself
      (*handler)(events[i].events);
    }
    run_timers();
    is_busy = between_ && between_();
  }
  return code_;
}

void Loop::stop(int code) {
  if (stopped_) return;
  stopped_ = true;
  code_ = code;
}

}  // namespace sandboxd::agent
