// MCP over streamable HTTP (revision 2025-06-18 and its neighbours), with sessions. Core thread.
//
// POST carries messages to the server; answers come as server-sent events of the same exchange. GET opens a stream for
// what the server says by itself, which is nothing today: it stays open with comments. DELETE ends the session.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "orch/api/mcp/rpc.hpp"
#include "orch/api/mcp/sessions.hpp"
#include "orch/api/mcp/tools.hpp"
#include "ports/clock.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace sandboxd::orch::mcp {

struct McpOptions {
  ServerInfo info;
  // A web page that pointed its own name at this machine is refused by its Host header; off where the server is public.
  bool own_names_only = true;
  std::size_t sessions_max = 1024;
  Duration idle_max = std::chrono::minutes(60);
  Duration keep_alive = std::chrono::seconds(15);
};

class McpServer : public std::enable_shared_from_this<McpServer> {
 public:
  McpServer(std::shared_ptr<const Tools> tools, ports::Clock& clock, std::function<std::string()> new_id,
            McpOptions options);

  // Every method at `path` and below it.
  [[nodiscard]] Result<void> add_routes(http::Router& router, std::string_view path);
  [[nodiscard]] static Task<http::Response> handle(std::shared_ptr<McpServer> self, http::Request request);
  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }

 private:
  static Task<http::Response> post(std::shared_ptr<McpServer> self, http::Request request);
  http::Response get(const http::Request& request);
  http::Response remove(const http::Request& request);
  // Whose header it is, or why there is no such one.
  Result<SessionRef> session_of(const http::Request& request);

  std::shared_ptr<const Tools> tools_;
  std::shared_ptr<const ServerInfo> info_;
  ports::Clock& clock_;
  McpOptions options_;
  Sessions sessions_;
};

}  // namespace sandboxd::orch::mcp
