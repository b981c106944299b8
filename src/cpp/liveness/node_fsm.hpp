// Health of a node as a pure state machine: (health, signal) -> health.
#pragma once

#include "model/node.hpp"

#include <cstdint>
#include <string>

namespace sandboxd::liveness {

struct Health {
  model::NodeState state = model::NodeState::unknown;
  std::int64_t success_streak = 0;
  std::int64_t failure_streak = 0;
  std::string last_error;

  friend bool operator==(const Health&, const Health&) = default;
};

struct HealthPolicy {
  std::int64_t ready_success_threshold = 2;
  std::int64_t notready_failure_threshold = 2;
};

enum class Signal {
  probe_ok,      // a polled node answered
  probe_failed,  // it did not
  report,        // a report on the watch stream
  link_failed,   // the watch stream broke or did not open
  silence,       // no report for kReportTtl
};

// probe_ok: the success streak grows up to the threshold, which makes the node Ready. probe_failed: the failure streak
// grows without bound, and from the threshold on the node is NotReady. report: Ready at once. link_failed: a Ready node
// keeps its state until the silence, since agents restart; others count failures. silence: NotReady. Every success
// clears the error, every failure sets it to `text`.
[[nodiscard]] Health next(Health health, Signal signal, const std::string& text, const HealthPolicy& policy);

[[nodiscard]] Health health_of(const model::Node& node);
void set_health(model::Node& node, const Health& health);

}  // namespace sandboxd::liveness
