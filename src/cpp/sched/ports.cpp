#include "sched/ports.hpp"

#include <algorithm>

namespace sandboxd::sched {

PortAllocator::PortAllocator(PortRange range) : range_(range), free_(range.last - range.first + 1) {}

bool PortAllocator::is_taken(int port) const {
  if (!in_range(port)) return outside_.contains(port);
  return !taken_.empty() && taken_[static_cast<std::size_t>(port - range_.first)];
}

void PortAllocator::set(int port, bool taken) {
  if (is_taken(port) == taken) return;
  if (!in_range(port)) {
    if (taken) {
      outside_.insert(port);
    } else {
      outside_.erase(port);
    }
    return;
  }
  if (taken_.empty()) taken_.resize(static_cast<std::size_t>(range_.last - range_.first + 1));
  taken_[static_cast<std::size_t>(port - range_.first)] = taken;
  free_ += taken ? -1 : 1;
}

bool PortAllocator::can_choose(const std::vector<int>& wanted) const {
  std::set<int> named;
  std::int64_t from_range = 0;
  for (const int port : wanted) {
    if (port != 0 && (is_taken(port) || !named.insert(port).second)) return false;
    if (port == 0 || in_range(port)) ++from_range;
  }
  return from_range <= free_;
}

std::optional<std::vector<int>> PortAllocator::choose(const std::vector<int>& wanted, MonoTime now) {
  expire(now);
  if (!can_choose(wanted)) return std::nullopt;
  std::vector<int> chosen;
  chosen.reserve(wanted.size());
  const int size = range_.last - range_.first + 1;
  for (const int port : wanted) {
    if (port != 0) {
      chosen.push_back(port);
      continue;
    }
    // Ends: can_choose counted enough free ports for every entry.
    for (;;) {
      const int candidate = range_.first + cursor_;
      cursor_ = (cursor_ + 1) % size;
      if (is_taken(candidate) || std::find(wanted.begin(), wanted.end(), candidate) != wanted.end()) continue;
      if (std::find(chosen.begin(), chosen.end(), candidate) != chosen.end()) continue;
      chosen.push_back(candidate);
      break;
    }
  }
  return chosen;
}

bool PortAllocator::reserve(int port) {
  const bool was_quarantined = quarantined_.erase(port) > 0;
  if (is_taken(port) && !was_quarantined) return false;
  set(port, true);
  return true;
}

void PortAllocator::release(int port, MonoTime now, bool quarantine) {
  if (!is_taken(port) || quarantined_.contains(port)) return;
  if (!quarantine || range_.quarantine.count() <= 0) {
    set(port, false);
    return;
  }
  const MonoTime until = now + range_.quarantine;
  quarantined_[port] = until;
  quarantine_ends_.emplace_back(until, port);
}

void PortAllocator::expire(MonoTime now) {
  while (!quarantine_ends_.empty() && quarantine_ends_.front().first <= now) {
    const auto [until, port] = quarantine_ends_.front();
    quarantine_ends_.pop_front();
    const auto entry = quarantined_.find(port);
    if (entry == quarantined_.end() || entry->second != until) continue;  // reserved again meanwhile
    quarantined_.erase(entry);
    set(port, false);
  }
}

std::optional<MonoTime> PortAllocator::next_expiry() const {
  if (quarantine_ends_.empty()) return std::nullopt;
  return quarantine_ends_.front().first;
}

}  // namespace sandboxd::sched
