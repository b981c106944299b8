#include "node/image_policy.hpp"

namespace sandboxd::node {

Result<void> check_images(const std::string& policy, const model::SandboxSpec& spec) {
  if (policy != "pinned") return {};
  for (const model::Container& container : spec.containers) {
    if (container.image.find("@sha256:") != std::string::npos) continue;
    return Error(ErrorCode::invalid_argument, "container " + container.name + ": image \"" + container.image +
                                                  "\" is not pinned: this node's image_policy accepts only images "
                                                  "named with their digest (name@sha256:...)");
  }
  return {};
}

}  // namespace sandboxd::node
