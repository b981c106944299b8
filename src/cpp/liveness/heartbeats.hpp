// When each node falls silent: one deadline a node, pushed back by every report. Pure; ordered, so that equal deadlines
// come out by id.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace sandboxd::liveness {

// Three reports of a node may be lost before it counts as silent.
inline constexpr Duration kReportTtl = std::chrono::seconds(16);
inline constexpr Duration kReportTermMax = kReportTtl * 9 / 4;  // of report_term()

// The term that a report gives a node in a cluster of `nodes`: kReportTtl, up to twice that in a large cluster, where
// reports queue up, and up to an eighth more by `draw` (any number), so that nodes which were cut off together do not
// all fall silent in one moment.
[[nodiscard]] Duration report_term(std::size_t nodes, std::uint64_t draw);

class Heartbeats {
 public:
  // The node spoke, or is given a full term to do so.
  void renew(const NodeId& node, MonoTime now, Duration term);
  void forget(const NodeId& node);
  // The nodes whose deadline has passed; each is returned once and then forgotten until it is renewed.
  [[nodiscard]] std::vector<NodeId> expire(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

 private:
  std::map<NodeId, MonoTime> deadlines_;
  std::set<std::pair<MonoTime, NodeId>> order_;
};

}  // namespace sandboxd::liveness
