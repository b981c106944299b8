#include "liveness/node_fsm.hpp"

#include <algorithm>

namespace sandboxd::liveness {
namespace {

void succeed(Health& health, const HealthPolicy& policy) {
  health.success_streak = std::min(health.success_streak + 1, policy.ready_success_threshold);
  health.failure_streak = 0;
  health.last_error.clear();
}

void fail(Health& health, const std::string& text) {
  ++health.failure_streak;
  health.success_streak = 0;
  health.last_error = text;
}

}  // namespace

Health next(Health health, Signal signal, const std::string& text, const HealthPolicy& policy) {
  using model::NodeState;
  switch (signal) {
    case Signal::probe_ok:
      succeed(health, policy);
      if (health.success_streak >= policy.ready_success_threshold) health.state = NodeState::ready;
      break;
    case Signal::probe_failed:
      fail(health, text);
      if (health.failure_streak >= policy.notready_failure_threshold) health.state = NodeState::not_ready;
      break;
    case Signal::report:
      succeed(health, policy);
      health.state = NodeState::ready;
      break;
    case Signal::link_failed:
      fail(health, text);
      if (health.state != NodeState::ready && health.failure_streak >= policy.notready_failure_threshold) {
        health.state = NodeState::not_ready;
      }
      break;
    case Signal::silence:
      fail(health, text);
      health.state = NodeState::not_ready;
      break;
  }
  return health;
}

Health health_of(const model::Node& node) {
  Health health;
  health.state = node.state;
  health.success_streak = node.success_streak;
  health.failure_streak = node.failure_streak;
  health.last_error = node.last_error;
  return health;
}

void set_health(model::Node& node, const Health& health) {
  node.state = health.state;
  node.success_streak = health.success_streak;
  node.failure_streak = health.failure_streak;
  node.last_error = health.last_error;
}

}  // namespace sandboxd::liveness
