// The sandboxd-o orchestrator's checks on a create, in its order and with its words (without the "invalid input: "
// prefix, which routes.cpp puts in front). Pure. Source: behaviour of the original, section 8 of its description.
#pragma once

#include "base/result.hpp"
#include "model/spec.hpp"

#include <string>
#include <string_view>

namespace sandboxd::orch::sandboxd_o {

// A decoded create body. The probe's protocol is kept as sent: its check comes last, after everything else.
struct CreateBody {
  std::string id;
  std::string name;  // our addition; empty: the id
  model::SandboxSpec spec;
  std::string probe_protocol;
};

[[nodiscard]] Result<void> validate_id(std::string_view id, std::string_view required_message = "id is required");
[[nodiscard]] Result<void> validate_create(const CreateBody& body);

}  // namespace sandboxd::orch::sandboxd_o
