// When each node falls silent: one deadline a node, pushed back by every report. Pure; ordered, so that equal deadlines
// come out by id.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace sandboxd::liveness {

// Three reports of a node may be lost before it counts as silent.
inline constexpr Duration kReportTtl = std::chrono::seconds(16);

class Heartbeats {
 public:
  // The node spoke, or is given a full term to do so.
  void renew(const NodeId& node, MonoTime now);
  void forget(const NodeId& node);
  // The nodes whose deadline has passed; each is returned once and then forgotten until it is renewed.
  [[nodiscard]] std::vector<NodeId> expire(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

 private:
  std::map<NodeId, MonoTime> deadlines_;
  std::set<std::pair<MonoTime, NodeId>> order_;
};

}  // namespace sandboxd::liveness
