// Which images this node runs. Pure.
#pragma once

#include "base/result.hpp"
#include "model/spec.hpp"

#include <string>

namespace sandboxd::node {

// `policy` is NodeConfig::image_policy. Errors: invalid_argument, naming container, image and setting.
[[nodiscard]] Result<void> check_images(const std::string& policy, const model::SandboxSpec& spec);

}  // namespace sandboxd::node
