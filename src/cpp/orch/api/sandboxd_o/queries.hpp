// Query parameters and headers of requests, and what they ask for. Pure.
//
// Lists: `phase` (or `state`, for nodes) with one or more words separated by commas, `label=key=value` or `label=key`,
// `node`, `limit` (1 to limits::kPageMax; without it the whole list) and `cursor`. A repeated parameter counts as often
// as it is there. Blank ones count as absent. Errors: invalid_argument, for invalid_input().
#pragma once

#include "base/result.hpp"
#include "http/message.hpp"
#include "orch/service.hpp"

#include <optional>
#include <string>

namespace sandboxd::orch::sandboxd_o {

[[nodiscard]] Result<SandboxQuery> sandbox_query(const http::Request& request);
[[nodiscard]] Result<NodeQuery> node_query(const http::Request& request);

// ?force=: false when absent or blank. Errors: "invalid force query; use true/false".
[[nodiscard]] Result<bool> force_query(const http::Request& request);

// What of ?limit= and ?cursor= a node is given, with the '?', or empty: as the original, a limit that is no positive
// number and a blank cursor are left out.
[[nodiscard]] std::string passed_page_query(const http::Request& request);

// What of a log's ?since=, ?tail= and ?follow= a node is given, with the '?', or empty. The node checks them.
[[nodiscard]] std::string passed_log_query(const http::Request& request);
[[nodiscard]] bool is_following(const http::Request& request);

// The header Idempotency-Key with a fingerprint of the body; nullopt without the header.
[[nodiscard]] Result<std::optional<OnceKey>> once_key(const http::Request& request);

}  // namespace sandboxd::orch::sandboxd_o
