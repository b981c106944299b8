// How a sandbox on a stock sandboxd-o node carries our uid.
//
// Such a node keeps no field that it does not know, but it keeps and shows every volume of the request, and makes one
// only when a container mounts it. So a volume that nobody mounts is a mark: "sandboxd-uid-<uid>". It tells two lives
// of one id apart, and what this control plane made from what others made. Pure.
#pragma once

#include "model/node_sandbox.hpp"

#include <string>
#include <string_view>

namespace sandboxd::codec {

// Adds the mark of request.uid.
void mark_life(model::NodeCreateRequest& request);
// The uid in a volume's name; empty when it is no mark.
[[nodiscard]] std::string life_of(std::string_view volume_name);

}  // namespace sandboxd::codec
