// What models can read about the tools of the MCP server: two resources and a prompt, under the original's names.
#pragma once

#include "base/result.hpp"
#include "orch/api/mcp/library.hpp"

namespace sandboxd::orch::opensbx {

[[nodiscard]] Result<void> add_library(mcp::Library& library);

}  // namespace sandboxd::orch::opensbx
