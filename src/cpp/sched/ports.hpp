// The host ports of one node: which are taken, and which to give out next. One port is one port, whatever the protocol.
//
// Ports come in an order that looks random and depends on a seed; one that was released comes back as late as possible,
// and in no case before its quarantine ended: clients of the sandbox that had it may still try. Each step is constant
// time on average. Ports that a request names may lie outside the range. Memory for the range is taken at the first
// use. Pure: `now` is passed in.
#pragma once

#include "base/time.hpp"
#include "sched/fifo.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace sandboxd::sched {

struct PortRange {
  int first = 10000;
  int last = 32767;  // inclusive
  Duration quarantine = std::chrono::seconds(5);
};

class PortAllocator {
 public:
  PortAllocator(const PortRange& range, std::uint64_t seed);

  // One port for each entry of `wanted` (0: any), all different; nullopt when there are not enough or a named one is
  // taken. Reserves nothing: asked again, it answers the same until something was reserved or released.
  [[nodiscard]] std::optional<std::vector<int>> choose(const std::vector<int>& wanted, MonoTime now);
  // Whether choose() would find some.
  [[nodiscard]] bool can_choose(const std::vector<int>& wanted) const;

  // Taken whatever its quarantine. False when it was taken already.
  bool reserve(int port);
  // Free after the quarantine, or at once. No effect on a port that is not taken.
  void release(int port, MonoTime now, bool quarantine);
  // Ends the quarantines that are over.
  void expire(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> next_expiry() const;

  [[nodiscard]] bool is_taken(int port) const;  // reserved or in quarantine
  [[nodiscard]] std::int64_t free_count() const { return free_; }

 private:
  [[nodiscard]] bool in_range(int port) const { return port >= range_.first && port <= range_.last; }
  [[nodiscard]] int size() const { return range_.last - range_.first + 1; }
  [[nodiscard]] std::size_t offset(int port) const { return static_cast<std::size_t>(port - range_.first); }
  [[nodiscard]] int fresh_port(int index) const;
  void set(int port, bool taken);
  void forget_taken();

  PortRange range_;
  std::vector<bool> taken_;   // of the range; empty until the first use
  std::vector<bool> queued_;  // stands in recycled_
  std::set<int> outside_;     // taken ones beyond the range
  std::int64_t free_ = 0;     // within the range

  // A free port of the range is at fresh_ or later in the order of fresh_port(), or in recycled_. Either may also name
  // ports that are taken by now.
  int start_ = 0;
  int step_ = 1;
  int fresh_ = 0;
  Fifo<int> recycled_;

  std::map<int, MonoTime> quarantined_;
  Fifo<std::pair<MonoTime, int>> quarantine_ends_;  // may hold entries that quarantined_ no longer confirms
};

}  // namespace sandboxd::sched
