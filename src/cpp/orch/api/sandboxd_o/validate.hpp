// The sandboxd-o orchestrator's checks on a create, in its order and with its words (without the "invalid input: "
// prefix, which routes.cpp puts in front). Pure. Source: behaviour of the original, section 8 of its description.
#pragma once

#include "base/result.hpp"
#include "model/spec.hpp"
#include "orch/service.hpp"

#include <string>
#include <string_view>

namespace sandboxd::orch::sandboxd_o {

// A decoded create body.
struct CreateBody {
  std::string id;
  std::string name;  // our addition; empty: the id
  model::SandboxSpec spec;
};

// Without white space at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);
// A probe's protocol as it is understood: trimmed, in small letters.
[[nodiscard]] std::string probe_word(std::string_view protocol_text);

[[nodiscard]] Result<void> validate_id(std::string_view id, std::string_view required_message = "id is required");
[[nodiscard]] Result<void> validate_create(const CreateBody& body);
// After trimming: "external id is required", "spec.node_id is required", "spec.external is required".
[[nodiscard]] Result<void> validate_external(const BindExternal& external);

}  // namespace sandboxd::orch::sandboxd_o
