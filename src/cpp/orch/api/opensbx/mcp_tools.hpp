// The 26 tools of the original's MCP server, at /v1/mcp. Each is a route of this dialect under another name: its
// arguments become the route's request, its answer's body the tool's result, and the message of a refusal the tool's
// error. So both say the same of everything, and a rule stands in one place.
#pragma once

#include "base/result.hpp"
#include "http/router.hpp"
#include "orch/api/mcp/server.hpp"
#include "orch/api/opensbx/context.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace sandboxd::orch::opensbx {

// `context` must outlive the router and the server, whose stop() has returned by then.
[[nodiscard]] Result<std::shared_ptr<mcp::McpServer>> add_mcp_routes(http::Router& router,
                                                                     boost::asio::any_io_executor executor,
                                                                     const Context& context);

}  // namespace sandboxd::orch::opensbx
