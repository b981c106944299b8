// Who waits for capacity, in the order in which to try.
//
// Owners take turns, so that one with a thousand waiting sandboxes does not hold up another with one; within an owner
// the oldest goes first. A derived index: the state adds and removes entries as phases change.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::sched {

class PendingQueue {
 public:
  void add(const std::string& owner, MonoTime since, const SandboxId& id);
  void remove(const std::string& owner, MonoTime since, const SandboxId& id);

  // All of them: the oldest of each owner, then the second oldest of each, ... The owner who goes first changes from
  // call to call.
  [[nodiscard]] std::vector<SandboxId> fair_order();
  // Those who have waited longest come first.
  using Entry = std::pair<MonoTime, SandboxId>;
  [[nodiscard]] const std::set<Entry>& by_age() const { return by_age_; }
  [[nodiscard]] std::optional<Entry> oldest() const;
  // The oldest of those who came after `at`.
  [[nodiscard]] std::optional<Entry> first_after(MonoTime at) const;
  [[nodiscard]] std::size_t size() const { return by_age_.size(); }
  [[nodiscard]] bool empty() const { return by_age_.empty(); }

 private:
  std::map<std::string, std::set<Entry>> by_owner_;
  std::set<Entry> by_age_;
  std::string first_owner_;  // of the next call: the first one not below this
};

}  // namespace sandboxd::sched
