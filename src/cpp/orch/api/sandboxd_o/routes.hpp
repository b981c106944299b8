// The sandboxd-o orchestrator's routes. No state and no decisions: translate, call SandboxService, translate back.
#pragma once

#include "base/result.hpp"
#include "http/router.hpp"
#include "orch/service.hpp"
#include "ports/clock.hpp"

namespace sandboxd::orch::sandboxd_o {

// `service` and `clock` must outlive the router. Errors: conflict when another dialect owns one of the paths.
[[nodiscard]] Result<void> add_routes(http::Router& router, SandboxService& service, ports::Clock& clock);

}  // namespace sandboxd::orch::sandboxd_o
