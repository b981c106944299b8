// What the control plane reads of a polled node's answers: health, one sandbox, a page of sandboxes. Pure functions;
// every decoder fails with protocol_error and names the field.
#pragma once

#include "base/result.hpp"
#include "model/node_sandbox.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::codec::sbxlet {

// {"ok":true}; anything else is the error `what` + " not ok".
[[nodiscard]] Result<void> decode_ok(std::string_view body, std::string_view what);

// {"sandbox":{...}}. The uid is the one of the life mark (codec/life_mark.hpp), empty without a mark.
[[nodiscard]] Result<model::NodeSandboxStatus> decode_found(std::string_view body);

struct FoundPage {
  std::vector<model::NodeSandboxStatus> items;
  std::string next_cursor;  // empty: the last page
};
// {"items":[...],"next_cursor":"id"}
[[nodiscard]] Result<FoundPage> decode_found_page(std::string_view body);

}  // namespace sandboxd::codec::sbxlet
