// The part of JSON Schema that tools use: type (one or several), properties, required, additionalProperties (false or a
// schema), items, enum, minimum, maximum. Other keywords say nothing here. Pure.
#pragma once

#include "codec/json.hpp"

#include <optional>
#include <string>

namespace sandboxd::orch::mcp {

// Why `value` does not fit, beginning with where ("/env/0: "), or nullopt.
[[nodiscard]] std::optional<std::string> misfit(const codec::json::object& schema, const codec::json::value& value);

}  // namespace sandboxd::orch::mcp
