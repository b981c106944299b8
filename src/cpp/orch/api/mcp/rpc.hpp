// JSON-RPC 2.0 as MCP uses it: messages in, answers out. Knows nothing of HTTP.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "codec/json.hpp"
#include "orch/api/mcp/offer.hpp"
#include "orch/api/mcp/sessions.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch::mcp {

enum class MessageKind { request, notification, response };

struct Message {
  MessageKind kind = MessageKind::request;
  codec::json::value id;  // of a request
  std::string method;
  codec::json::object params;
};

inline constexpr std::string_view kVersionOfOldClients = "2025-03-26";  // that send no header
[[nodiscard]] bool is_known_version(std::string_view version);
// What is answered to a client that wants `version`.
[[nodiscard]] std::string version_for(std::string_view version);

// One message, or a batch where `version` has batches. Errors: invalid_argument: what is wrong with the text.
[[nodiscard]] Result<std::vector<Message>> parse_messages(std::string_view text, std::string_view version);

// The answer to a request. `session` may be null before the client has one; `tell` is for a tool's progress.
[[nodiscard]] Task<codec::json::object> answer(std::shared_ptr<const Offer> offer, SessionRef session, Message message,
                                               TellProgress tell);
// What is answered when that failed with an exception.
[[nodiscard]] codec::json::object internal_error(const Message& request);

// An id as text: 1 and "1" are two.
[[nodiscard]] std::string request_key(const codec::json::value& id);
// The key of the request that a client wants no answer to any more; empty for none.
[[nodiscard]] std::string cancelled_key(const Message& message);
// The name of the tool that a request calls, or empty.
[[nodiscard]] std::string called_tool(const Message& request);
// That a request goes on, and how far it is.
[[nodiscard]] codec::json::object progress_notification(const codec::json::value& token, const Progress& progress);

}  // namespace sandboxd::orch::mcp
