// Linux capabilities of a container: the default set, and what a request adds and drops. Pure.
#pragma once

#include "base/result.hpp"

#include <string>
#include <vector>

namespace sandboxd::containerd {

// The capability names of the process, sorted as the kernel numbers them: the default fourteen, without `drop`, with
// `add`. Names are accepted in any case, with or without "CAP_"; "ALL" means every one that the kernel may have.
// Dropping comes first, so ["ALL"] dropped and ["CHOWN"] added leaves CHOWN. Errors: invalid_argument for an unknown
// name.
[[nodiscard]] Result<std::vector<std::string>> effective_capabilities(const std::vector<std::string>& add,
                                                                      const std::vector<std::string>& drop);

}  // namespace sandboxd::containerd
