#include "sched/ports.hpp"

#include <algorithm>
#include <numeric>

namespace sandboxd::sched {

PortAllocator::PortAllocator(const PortRange& range, std::uint64_t seed)
    : range_(range), free_(range.last - range.first + 1) {
  // Steps of one length that has no common divisor with the range visit every port once.
  const auto ports = static_cast<std::uint64_t>(size());
  start_ = static_cast<int>(seed % ports);
  step_ = static_cast<int>(1 + (seed >> 32) % ports);
  while (std::gcd(step_, size()) != 1) ++step_;
}

int PortAllocator::fresh_port(int index) const {
  return range_.first + static_cast<int>((start_ + std::int64_t{step_} * index) % size());
}

bool PortAllocator::is_taken(int port) const {
  if (!in_range(port)) return outside_.contains(port);
  return !taken_.empty() && taken_[offset(port)];
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
  if (taken_.empty()) {
    taken_.resize(static_cast<std::size_t>(size()));
    queued_.resize(static_cast<std::size_t>(size()));
  }
  taken_[offset(port)] = taken;
  free_ += taken ? -1 : 1;
  if (taken || queued_[offset(port)]) return;
  queued_[offset(port)] = true;
  recycled_.push(port);
}

// Drops what is taken from the fronts, so that a free port is found at once.
void PortAllocator::forget_taken() {
  while (fresh_ < size() && is_taken(fresh_port(fresh_))) ++fresh_;
  while (!recycled_.empty() && is_taken(recycled_.front())) {
    queued_[offset(recycled_.front())] = false;
    recycled_.pop();
  }
}

bool PortAllocator::can_choose(const std::vector<int>& wanted) const {
  std::int64_t from_range = 0;
  for (auto port = wanted.begin(); port != wanted.end(); ++port) {
    if (*port != 0 && (is_taken(*port) || std::find(wanted.begin(), port, *port) != port)) return false;
    if (*port == 0 || in_range(*port)) ++from_range;
  }
  return from_range <= free_;
}

std::optional<std::vector<int>> PortAllocator::choose(const std::vector<int>& wanted, MonoTime now) {
  expire(now);
  if (!can_choose(wanted)) return std::nullopt;
  forget_taken();
  std::vector<int> chosen;
  chosen.reserve(wanted.size());
  int fresh = fresh_;
  std::size_t recycled = 0;
  for (const int port : wanted) {
    int candidate = port;
    // Ends: can_choose() counted enough free ports for every entry.
    while (port == 0) {
      candidate = fresh < size() ? fresh_port(fresh++) : recycled_[recycled++];
      if (!is_taken(candidate) && std::find(wanted.begin(), wanted.end(), candidate) == wanted.end() &&
          std::find(chosen.begin(), chosen.end(), candidate) == chosen.end())
        break;
    }
    chosen.push_back(candidate);
  }
  return chosen;
}

bool PortAllocator::reserve(int port) {
  const bool was_quarantined = quarantined_.erase(port) > 0;
  if (is_taken(port) && !was_quarantined) return false;
  set(port, true);
  forget_taken();
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
  quarantine_ends_.push({until, port});
}

void PortAllocator::expire(MonoTime now) {
  while (!quarantine_ends_.empty() && quarantine_ends_.front().first <= now) {
    const auto [until, port] = quarantine_ends_.front();
    quarantine_ends_.pop();
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
