// The sandboxd-o orchestrator's JSON: request bodies to the model, the model to its objects. Members stand in the
// original's order. What we add to its objects is listed in docs/api/compatibility.md. Pure functions.
#pragma once

#include "base/result.hpp"
#include "codec/json.hpp"
#include "model/node.hpp"
#include "model/sandbox.hpp"
#include "orch/api/sandboxd_o/validate.hpp"
#include "orch/service.hpp"

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

struct NodePatchBody {
  PatchNode patch;          // label keys and values trimmed; a blank key is kept, for the check
  bool has_labels = false;  // metadata.labels was there, even if empty
};

// PATCH /api/v1/nodes/{id}.
[[nodiscard]] Result<NodePatchBody> decode_node_patch(std::string_view body);

// POST /api/v1/externals: all trimmed.
[[nodiscard]] Result<BindExternal> decode_external(std::string_view body);

[[nodiscard]] codec::json::object sandbox_object(const model::Sandbox& sandbox);
[[nodiscard]] codec::json::object node_object(const model::Node& node);
// With the list of images that others have as a count: for answers about one node.
[[nodiscard]] codec::json::object whole_node_object(const model::Node& node);
// `external` is left out when empty.
[[nodiscard]] codec::json::object resources_object(const model::NodeResources& resources, const std::string& external);
// The External that is bound to this node.
[[nodiscard]] codec::json::object external_object(const model::Node& node);

// "Pending", "Scheduled" (also while creating), "Running", "Failed", "Deleting"; our additions "Paused", "Stopped".
[[nodiscard]] std::string_view phase_text(model::Phase phase);

// {"error":"<text>"}
[[nodiscard]] std::string error_body(std::string_view text);

}  // namespace sandboxd::orch::sandboxd_o
