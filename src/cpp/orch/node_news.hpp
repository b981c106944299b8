// Bad news of nodes for the log: a few are told one by one, and when many come close together the rest in one line.
//
// A fleet that cannot be reached, at a start or when a switch fails, would else write a line a node. Volatile, core
// thread, reads no clock.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace sandboxd::orch {

// "a, b, c, d, e and 7 more".
[[nodiscard]] std::string first_names(const std::set<NodeId>& nodes);

class NodeNews {
 public:
  // What comes until `until` belongs together: after a start, everything that does not answer.
  void begin(MonoTime until) { until_ = until; }
  void tell(const NodeId& node, std::string_view what, const std::string& error, MonoTime now);
  // When tell_rest() has something to say.
  [[nodiscard]] std::optional<MonoTime> deadline() const;
  void tell_rest(MonoTime now);

 private:
  std::optional<MonoTime> until_;  // end of the time in which news belong together
  std::set<NodeId> told_;
  std::set<NodeId> rest_;
  std::string error_;  // of the first of the rest
};

}  // namespace sandboxd::orch
