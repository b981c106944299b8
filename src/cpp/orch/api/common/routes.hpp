// Routes that belong to no dialect: readiness, metrics, the description of the API and its page.
//
//   GET /readyz           200 {"ok":true}, or 503 {"error": why}; no authentication
//   GET /metrics          Prometheus text; with authentication
//   GET /openapi.json     OpenAPI 3.1 of this listener, also as /swagger/doc.json; no authentication
//   GET /swagger/         a page to read and try it, also as /swagger/index.html; no authentication, nothing foreign
#pragma once

#include "base/result.hpp"
#include "http/router.hpp"
#include "http/traffic.hpp"
#include "orch/operations.hpp"

#include <memory>
#include <string_view>

namespace sandboxd::orch::common {

// After the dialects' routes, which the OpenAPI document names. `operations` must outlive the router. Errors:
// invalid_argument when another dialect owns one of the paths.
[[nodiscard]] Result<void> add_routes(http::Router& router, Operations& operations,
                                      std::shared_ptr<const http::Traffic> traffic,
                                      std::shared_ptr<const http::Traffic> proxy);

}  // namespace sandboxd::orch::common
