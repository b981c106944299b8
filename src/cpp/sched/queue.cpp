#include "sched/queue.hpp"

namespace sandboxd::sched {

void PendingQueue::add(const std::string& owner, MonoTime since, const SandboxId& id) {
  by_owner_[owner].emplace(since, id);
  by_age_.emplace(since, id);
}

void PendingQueue::remove(const std::string& owner, MonoTime since, const SandboxId& id) {
  by_age_.erase({since, id});
  const auto entries = by_owner_.find(owner);
  if (entries == by_owner_.end()) return;
  entries->second.erase({since, id});
  if (entries->second.empty()) by_owner_.erase(entries);
}

std::vector<SandboxId> PendingQueue::fair_order() {
  std::vector<SandboxId> order;
  order.reserve(by_age_.size());
  if (by_owner_.empty()) return order;

  using Cursor = std::pair<std::set<Entry>::const_iterator, std::set<Entry>::const_iterator>;
  std::vector<Cursor> cursors;
  auto owner = by_owner_.lower_bound(first_owner_);
  if (owner == by_owner_.end()) owner = by_owner_.begin();
  const std::string started_with = owner->first;
  for (std::size_t n = 0; n < by_owner_.size(); ++n) {
    cursors.emplace_back(owner->second.begin(), owner->second.end());
    if (++owner == by_owner_.end()) owner = by_owner_.begin();
  }
  first_owner_ = started_with + '\0';  // the smallest string after it

  while (order.size() < by_age_.size()) {
    for (auto& [next, end] : cursors) {
      if (next != end) order.push_back((next++)->second);
    }
  }
  return order;
}

std::optional<PendingQueue::Entry> PendingQueue::oldest() const {
  if (by_age_.empty()) return std::nullopt;
  return *by_age_.begin();
}

std::optional<PendingQueue::Entry> PendingQueue::first_after(MonoTime at) const {
  const auto found = by_age_.lower_bound({at + Duration(1), SandboxId()});
  if (found == by_age_.end()) return std::nullopt;
  return *found;
}

}  // namespace sandboxd::sched
