// JSON-RPC 2.0 as MCP uses it: messages in, answers out. Knows nothing of HTTP.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "codec/json.hpp"
#include "orch/api/mcp/sessions.hpp"
#include "orch/api/mcp/tools.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch::mcp {

struct ServerInfo {
  std::string name;
  std::string version;
  std::string instructions;
};

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

// The answer to a request. `session` may be null before the client has one.
[[nodiscard]] Task<codec::json::object> answer(std::shared_ptr<const Tools> tools,
                                               std::shared_ptr<const ServerInfo> info, SessionRef session,
                                               Message message);

}  // namespace sandboxd::orch::mcp
