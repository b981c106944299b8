// Linux capabilities of a container: the default set, and what a request adds and drops. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::containerd {

// The capability names of the process, sorted as the kernel numbers them: the default ones, without `drop`, with `add`.
// Names are accepted in any case, with or without "CAP_"; "ALL" means every one that the kernel may have. Dropping
// comes first, so ["ALL"] dropped and ["CHOWN"] added leaves CHOWN. A name that no kernel knows is ignored, as
// sandboxd-o's runtime does (its node digest, section 16).
[[nodiscard]] std::vector<std::string> effective_capabilities(const std::vector<std::string>& add,
                                                              const std::vector<std::string>& drop);

// The same as a mask of (1 << number), and the names of a mask.
[[nodiscard]] std::uint64_t capability_mask(const std::vector<std::string>& add, const std::vector<std::string>& drop);
[[nodiscard]] std::vector<std::string> capability_names(std::uint64_t mask);

}  // namespace sandboxd::containerd
