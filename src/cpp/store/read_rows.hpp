// Rows of the control plane's tables as values of the model.
#pragma once

#include "model/node.hpp"
#include "model/sandbox.hpp"
#include "store/statement.hpp"

#include <string>
#include <string_view>

namespace sandboxd::store {

extern const std::string_view kLoadSandboxes;  // by id
extern const std::string_view kLoadNodes;

// A row of kLoadSandboxes or kLoadNodes. When something in it cannot be read, `damage` says what is the first of that,
// and the value is a stand-in: what could be read, in a state that promises nothing.
//
// A sandbox claims to run no more, since what it should be is not known; it can be seen, told apart on its node, and
// deleted. A node takes no new sandboxes until somebody has looked: what it was meant for may be lost with its labels.
[[nodiscard]] model::Sandbox read_sandbox(const Row& row, std::string& damage);
[[nodiscard]] model::Node read_node(const Row& row, std::string& damage);

}  // namespace sandboxd::store
