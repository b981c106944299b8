#include "liveness/heartbeats.hpp"

namespace sandboxd::liveness {

void Heartbeats::renew(const NodeId& node, MonoTime now) {
  forget(node);
  const MonoTime deadline = now + kReportTtl;
  deadlines_[node] = deadline;
  order_.emplace(deadline, node);
}

void Heartbeats::forget(const NodeId& node) {
  const auto found = deadlines_.find(node);
  if (found == deadlines_.end()) return;
  order_.erase({found->second, node});
  deadlines_.erase(found);
}

std::vector<NodeId> Heartbeats::expire(MonoTime now) {
  std::vector<NodeId> silent;
  while (!order_.empty() && order_.begin()->first <= now) {
    silent.push_back(order_.begin()->second);
    forget(silent.back());
  }
  return silent;
}

std::optional<MonoTime> Heartbeats::next_deadline() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

}  // namespace sandboxd::liveness
