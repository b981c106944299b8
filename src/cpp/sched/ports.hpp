// The host ports of one node: which are taken, and which to give out next.
//
// A cursor walks through the range, so a port that was released comes back as late as possible, and in no case before
// its quarantine ended: clients of the sandbox that had it may still try. Ports that a request names may lie outside
// the range. Memory for the range is taken at the first use. Pure: `now` is passed in.
#pragma once

#include "base/time.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace sandboxd::sched {

struct PortRange {
  int first = 10000;
  int last = 32767;  // inclusive
  Duration quarantine = std::chrono::seconds(5);
};

class PortAllocator {
 public:
  explicit PortAllocator(PortRange range);

  // One port for each entry of `wanted` (0: any), all different; nullopt when there are not enough or a named one is
  // taken. Reserves nothing, but moves the cursor on.
  [[nodiscard]] std::optional<std::vector<int>> choose(const std::vector<int>& wanted, MonoTime now);
  // What choose() would say, without moving anything.
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
  void set(int port, bool taken);

  PortRange range_;
  std::vector<bool> taken_;  // of the range; empty until the first use
  std::set<int> outside_;    // taken ones beyond the range
  std::int64_t free_ = 0;    // within the range
  int cursor_ = 0;           // offset into the range of the next candidate
  std::map<int, MonoTime> quarantined_;
  std::deque<std::pair<MonoTime, int>> quarantine_ends_;  // may hold entries that quarantined_ no longer confirms
};

}  // namespace sandboxd::sched
