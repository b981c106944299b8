// MCP over streamable HTTP (revision 2025-06-18 and its neighbours), with sessions. Core thread.
//
// POST carries messages to the server; answers come as server-sent events of the same exchange, with the progress of
// calls whose client asked for it. GET opens a stream for what the server says by itself, which is nothing today: it
// stays open with comments. DELETE ends the session, and the waiting of its calls.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "orch/api/mcp/answers.hpp"
#include "orch/api/mcp/calls.hpp"
#include "orch/api/mcp/offer.hpp"
#include "orch/api/mcp/sessions.hpp"
#include "ports/clock.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace sandboxd::orch::mcp {

struct McpOptions {
  // A web page that pointed its own name at this machine is refused by its Host header; off where the server is public.
  bool own_names_only = true;
  std::size_t sessions_max = 1024;
  Duration idle_max = std::chrono::minutes(60);
  Intervals intervals;
};

class McpServer : public std::enable_shared_from_this<McpServer> {
 public:
  McpServer(std::shared_ptr<const Offer> offer, boost::asio::any_io_executor executor, ports::Clock& clock,
            std::function<std::string()> new_id, McpOptions options);

  // Every method at `path` and below it.
  [[nodiscard]] Result<void> add_routes(http::Router& router, std::string_view path);
  [[nodiscard]] static Task<http::Response> handle(std::shared_ptr<McpServer> self, http::Request request);
  // Cancels every call and returns when none is left. After the listener's stop, before what tools work with goes away.
  [[nodiscard]] Task<void> stop();
  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }

 private:
  static Task<http::Response> post(std::shared_ptr<McpServer> self, http::Request request);
  http::Response get(const http::Request& request);
  http::Response remove(const http::Request& request);
  // Whose header it is, or why there is no such one.
  Result<SessionRef> session_of(const http::Request& request);

  std::shared_ptr<const Offer> offer_;
  std::shared_ptr<Calls> calls_;
  ports::Clock& clock_;
  McpOptions options_;
  Sessions sessions_;
};

}  // namespace sandboxd::orch::mcp
