// GET /metrics: what a control plane tells a Prometheus. Pure: figures in, text out.
//
// Labels are bounded: routes of the router, statuses, phases, states. No id of a sandbox, a node or a user is one.
#pragma once

#include "base/log.hpp"
#include "http/traffic.hpp"
#include "orch/operations.hpp"

#include <string>
#include <string_view>

namespace sandboxd::orch::common {

inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

[[nodiscard]] std::string metrics_text(const Figures& figures, const http::Traffic& traffic, const http::Traffic& proxy,
                                       const LogDrops& drops);

}  // namespace sandboxd::orch::common
