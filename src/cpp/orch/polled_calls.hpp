// Creates and removes on a node that knows no uids (a stock sandboxd-o node).
//
// Which life of an id is there is asked before anything is done: the node shows the mark that the create left
// (codec/life_mark.hpp). So a create may be repeated, a remove never takes away what is not meant, and what a late
// create of a former life left is cleared before the next life begins. Nobody but the lane of the id (orch/effects.hpp)
// calls these, one at a time.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/node.hpp"
#include "model/node_sandbox.hpp"
#include "ports/node_transport.hpp"

#include <string>

namespace sandboxd::orch {

// Success when this life is there. Errors: already_exists "sandbox already exists: <id>" when others made it,
// resource_exhausted, invalid_argument with the node's words; unavailable or deadline_exceeded: ask again.
[[nodiscard]] Task<Result<void>> create_polled(ports::NodeTransport& transport, model::NodeAddress node,
                                               model::NodeCreateRequest request);
// Success when this life is not there (any more).
[[nodiscard]] Task<Result<void>> remove_polled(ports::NodeTransport& transport, model::NodeAddress node, SandboxId id,
                                               std::string uid);

}  // namespace sandboxd::orch
