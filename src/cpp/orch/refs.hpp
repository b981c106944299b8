// Versions of objects as they are handed around inside the control plane.
//
// A version never changes once made: every change makes a new one. So lists, watch events and replies share it without
// copying, on the core thread.
#pragma once

#include "model/node.hpp"
#include "model/sandbox.hpp"

#include <memory>

namespace sandboxd::orch {

using SandboxRef = std::shared_ptr<const model::Sandbox>;
using NodeRef = std::shared_ptr<const model::Node>;

}  // namespace sandboxd::orch
