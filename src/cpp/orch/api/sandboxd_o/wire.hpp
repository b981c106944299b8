// The sandboxd-o orchestrator's JSON: request bodies to the model, the model to its objects. Members stand in the
// original's order. What we add to its objects is listed in docs/api/compatibility.md. Pure functions.
#pragma once

#include "base/result.hpp"
#include "codec/json.hpp"
#include "model/node.hpp"
#include "model/sandbox.hpp"
#include "orch/api/sandboxd_o/validate.hpp"

#include <string>
#include <string_view>

namespace sandboxd::orch::sandboxd_o {

// POST /api/v1/sandboxes. Types only: validate_create() has the rules. Amounts that do not parse have the value 0.
[[nodiscard]] Result<CreateBody> decode_create(std::string_view body);

struct NodeBody {
  std::string id;
  model::NodeAddress address;
  bool unschedulable = false;
  model::Labels labels;
};

// POST /api/v1/nodes: id and ip trimmed, labels trimmed, blank label keys dropped.
[[nodiscard]] Result<NodeBody> decode_node(std::string_view body);

[[nodiscard]] codec::json::object sandbox_object(const model::Sandbox& sandbox);
[[nodiscard]] codec::json::object node_object(const model::Node& node);

// "Pending", "Scheduled" (also while creating), "Running", "Failed", "Deleting"; our additions "Paused", "Stopped".
[[nodiscard]] std::string_view phase_text(model::Phase phase);

// {"error":"<text>"}
[[nodiscard]] std::string error_body(std::string_view text);

}  // namespace sandboxd::orch::sandboxd_o
