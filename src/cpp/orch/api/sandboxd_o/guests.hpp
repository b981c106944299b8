// What happens inside a sandbox, under /api/v1/sandboxes/{id}/: commands, files, ports, processes. The routes and their
// JSON are those of the node that the sandbox is on (codec/guest_wire.hpp); requests and answers pass through piece by
// piece, in both directions, as fast as the slower side takes them. A client that goes away ends its call on the node.
#pragma once

#include "base/result.hpp"
#include "http/client.hpp"
#include "http/router.hpp"
#include "model/node.hpp"
#include "orch/service.hpp"

#include <functional>
#include <string>

namespace sandboxd::orch::sandboxd_o {

// The way to nodes: a client, and a request with a node's address and what it wants to know us by.
struct NodeDoor {
  http::Client& client;
  std::function<http::ClientRequest(const model::NodeAddress& node, std::string method, std::string target)> request;
};

// `service` and the door's client must outlive the router.
[[nodiscard]] Result<void> add_guest_routes(http::Router& router, SandboxService& service, NodeDoor door);

}  // namespace sandboxd::orch::sandboxd_o
