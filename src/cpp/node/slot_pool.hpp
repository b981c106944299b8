// Network slots made ahead of need, so that a create finds one ready.
//
// A free slot belongs to the pool as long as no record names it. take() hands one out; the caller writes its name into
// a durable record before using it. Slots of an earlier run are adopted at start. Failures to make slots are logged and
// retried with growing pauses; a create that finds the pool empty makes its own. Core thread only.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "ports/clock.hpp"
#include "ports/sandbox_network.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace sandboxd::node {

class SlotPool {
 public:
  struct Options {
    std::string instance;
    std::size_t size = 8;
    std::size_t parallel = 2;
    // Addresses that sandboxes use now: the pool never takes the last ones.
    std::function<std::int64_t()> addresses_used;
  };

  SlotPool(boost::asio::any_io_executor executor, ports::Clock& clock, ports::SandboxNetwork& network, Random& random,
           Options options);

  // A free slot of an earlier run; false when the pool is full and the caller should destroy it.
  [[nodiscard]] bool adopt(ports::NetworkSlot slot);
  // Begins to fill up in the background.
  void start();
  [[nodiscard]] Task<void> stop();
  // After stop(): destroys the free slots.
  [[nodiscard]] Task<void> drain();

  [[nodiscard]] std::optional<ports::NetworkSlot> take();
  // An unused one comes back (its claim could not be recorded). One too many is let go: it belongs to nobody then, and
  // the next comparison with the machine removes it.
  void give_back(ports::NetworkSlot slot);
  // Looks again whether more slots are wanted (addresses may have become free).
  void poke() { wanted_.notify(); }
  // "sbx<instance>-<8 hex digits>", as the network adapter recognises its own.
  [[nodiscard]] std::string new_name();
  [[nodiscard]] bool owns(const std::string& name) const;
  [[nodiscard]] std::size_t free_count() const { return free_.size(); }

 private:
  Task<void> fill();
  [[nodiscard]] bool wants_more() const;

  ports::Clock& clock_;
  ports::SandboxNetwork& network_;
  Random& random_;
  Options options_;
  std::deque<ports::NetworkSlot> free_;
  std::set<std::string> making_;
  aio::Notifier wanted_;
  aio::TaskGroup tasks_;
};

}  // namespace sandboxd::node
