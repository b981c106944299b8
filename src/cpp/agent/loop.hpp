// The one thread's event loop: descriptors, timers, and work that is done in slices between them.
#pragma once

#include "agent/system.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace sandboxd::agent {

class Loop {
 public:
  using Handler = std::function<void(std::uint32_t events)>;
  using Timer = std::uint64_t;  // 0: none

  Loop();
  // Handlers may watch and unwatch anything, also themselves.
  void watch(int fd, std::uint32_t events, Handler handler);
  // No events: not even errors are told, until there are events again.
  void change(int fd, std::uint32_t events);
  void unwatch(int fd);

  Timer after(std::int64_t delay_ns, std::function<void()> action);
  void cancel(Timer timer);

  // Called after every round of events; true: there is more to do at once.
  void set_between(std::function<bool()> between) { between_ = std::move(between); }
  // Until stop(); gives its code.
  int run();
  void stop(int code);

 private:
  struct Watched {
    std::uint32_t generation = 0;
    std::uint32_t events = 0;
    std::shared_ptr<Handler> handler;
  };
  void run_timers();
  [[nodiscard]] int wait_ms(bool is_busy) const;
  void control(int operation, int fd, const Watched& watched) const;

  Fd epoll_;
  std::map<int, Watched> watched_;
  std::uint32_t generation_ = 0;
  std::map<std::pair<std::int64_t, Timer>, std::function<void()>> timers_;
  std::map<Timer, std::int64_t> deadlines_;
  Timer last_timer_ = 0;
  std::function<bool()> between_;
  bool stopped_ = false;
  int code_ = 0;
};

}  // namespace sandboxd::agent
