// Hard rules: what makes a node impossible for a request. Each is one function; all must pass.
#pragma once

#include "sched/snapshot.hpp"

#include <optional>

namespace sandboxd::sched {

[[nodiscard]] bool is_ready(const NodeView& node, const Request& request);
[[nodiscard]] bool is_open(const NodeView& node, const Request& request);  // not cordoned
[[nodiscard]] bool matches_selector(const NodeView& node, const Request& request);
[[nodiscard]] bool has_cpu(const NodeView& node, const Request& request);
[[nodiscard]] bool has_memory(const NodeView& node, const Request& request);
[[nodiscard]] bool has_ports(const NodeView& node, const Request& request);

// The first rule, in the order above, that refuses the node; nullopt: it fits. Builds no text, since most nodes of a
// search are only asked yes or no.
[[nodiscard]] std::optional<Rule> refuses(const NodeView& node, const Request& request);

// The sentence for it.
[[nodiscard]] Refusal explain(const NodeView& node, const Request& request, Rule rule);

}  // namespace sandboxd::sched
