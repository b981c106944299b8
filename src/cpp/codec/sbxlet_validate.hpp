// The node API's rules for a create request, in the original's order and words; the first failure wins.
//
// Used by the node before it accepts a create and by the control plane's node proxy before it forwards one. Pure.
#pragma once

#include "base/result.hpp"
#include "model/node_sandbox.hpp"

#include <string_view>

namespace sandboxd::codec::sbxlet {

// The id's own rules, which GET and DELETE of one sandbox apply too. Errors: invalid_argument.
[[nodiscard]] Result<void> validate_id(std::string_view id);

// Everything that is said about a request alone. An empty id is an error here: a node that draws ids does so before.
// For requests that came through decode_create(): the protocols' texts are those of `spec.ports`, entry by entry, as
// decode_create() leaves them. Errors: invalid_argument.
[[nodiscard]] Result<void> validate_create(const model::NodeCreateRequest& request);

// The part that the original checks only at admission: "container <c> resource parse failed: invalid cpu: <raw>".
// Errors: invalid_argument.
[[nodiscard]] Result<void> validate_resources(const model::NodeCreateRequest& request);

}  // namespace sandboxd::codec::sbxlet
