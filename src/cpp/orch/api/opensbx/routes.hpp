// /v1/*: the Opensbx API over the one sandbox model.
#pragma once

#include "base/result.hpp"
#include "http/router.hpp"
#include "orch/api/opensbx/context.hpp"

namespace sandboxd::orch::opensbx {

// `context` outlives the router. Errors: invalid_argument when another dialect has a path of this one.
[[nodiscard]] Result<void> add_routes(http::Router& router, const Context& context);

}  // namespace sandboxd::orch::opensbx
