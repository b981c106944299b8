// The node's HTTP API: sandboxd-o's "sbxlet" dialect, and our GET /v1/watch,
// /v1/images and /v1/sandboxes/{id}/usage. Statuses and words are those of its digest
// (sections 3 and 16). No state and no decision here.
//
// Every error answer carries X-Sandboxd-Error with the code's name: the dialect answers every refused create with 400,
// our control plane needs to know more.
#pragma once

#include "base/result.hpp"
#include "codec/sbxlet.hpp"
#include "http/router.hpp"
#include "node/agent.hpp"

namespace sandboxd::node {

// `agent` outlives the router.
[[nodiscard]] Result<void> add_sbxlet_routes(http::Router& router, Agent& agent, codec::sbxlet::NodeFacts facts);

// {"error": message} with the header.
[[nodiscard]] http::Response sbxlet_error(int status, ErrorCode code, std::string_view message);

}  // namespace sandboxd::node
