// From a create's body to what is asked of the control plane. Pure.
#pragma once

#include "orch/api/opensbx/validate.hpp"
#include "orch/service.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace sandboxd::orch::opensbx {

// One container that holds, with public egress, stopped when its time is over. `request_percent` of its limits are
// reserved.
[[nodiscard]] model::SandboxSpec make_spec(const CreateBody& body, std::int64_t request_percent);

// 64 hex digits.
[[nodiscard]] std::string draw_id(const std::function<std::uint64_t()>& entropy);

}  // namespace sandboxd::orch::opensbx
