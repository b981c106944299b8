#include "liveness/heartbeats.hpp"

#include <algorithm>

namespace sandboxd::liveness {

Duration report_term(std::size_t nodes, std::uint64_t draw) {
  constexpr std::size_t kNodesOfTwice = 10000;
  const auto share = static_cast<std::int64_t>(std::min(nodes, kNodesOfTwice));
  const Duration term = kReportTtl + kReportTtl * share / static_cast<std::int64_t>(kNodesOfTwice);
  const auto spread = static_cast<std::uint64_t>(term.count() / 8);
  return term + Duration(static_cast<std::int64_t>(draw % spread));
}

void Heartbeats::renew(const NodeId& node, MonoTime now, Duration term) {
  forget(node);
  const MonoTime deadline = now + term;
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
