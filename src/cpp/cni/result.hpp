// What a CNI plugin answers. Pure. Versions 0.3.0, 0.3.1, 0.4.0 and 1.0.0; older results have another shape and are
// refused.
#pragma once

#include "base/error.hpp"
#include "base/result.hpp"
#include "ports/interface_provider.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::cni {

// Reads a plugin's success result. `bridges` are host interfaces that are not the veth's host side (the bridge itself
// is listed in the result too). protocol_error when there is no IPv4 address or the text makes no sense.
[[nodiscard]] Result<ports::InterfaceInfo> parse_result(std::string_view text, const std::vector<std::string>& bridges);

// The Error for a plugin that failed: its JSON error object (code, msg, details) when it printed one, else its
// standard error. resource_exhausted when host-local has no address left, else network_failed.
[[nodiscard]] Error plugin_error(std::string_view plugin, std::string_view verb, int exit_code,
                                 std::string_view stdout_text, std::string_view stderr_text);

}  // namespace sandboxd::cni
