// What happens inside a sandbox, under /api/v1/sandboxes/{id}/: commands, files, ports, processes. The routes and their
// JSON are those of the node that the sandbox is on (codec/guest_wire.hpp); requests and answers pass through piece by
// piece, in both directions, as fast as the slower side takes them. A client that goes away ends its call on the node.
#pragma once

#include "base/result.hpp"
#include "http/router.hpp"
#include "orch/http_node_transport.hpp"
#include "orch/service.hpp"

namespace sandboxd::orch::sandboxd_o {

// Both must outlive the router.
[[nodiscard]] Result<void> add_guest_routes(http::Router& router, SandboxService& service, HttpNodeTransport& nodes);

}  // namespace sandboxd::orch::sandboxd_o
