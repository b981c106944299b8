// What the routes of this dialect work with. Internal to them, and filled by the composition root.
#pragma once

#include "http/message.hpp"
#include "orch/api/opensbx/wire.hpp"
#include "orch/guest_service.hpp"
#include "orch/image_service.hpp"
#include "orch/operations.hpp"
#include "orch/service.hpp"
#include "ports/clock.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace sandboxd::orch::opensbx {

struct Settings {
  UrlParts urls;
  // The original's answers also where they hide what went wrong (docs/api/compatibility.md).
  bool is_strict = false;
  // Of what a sandbox may use, how much of it is reserved on its node.
  std::int64_t request_percent = 10;
};

struct Context {
  SandboxService& sandboxes;
  GuestService& guests;
  ImageService& images;
  Operations& operations;
  ports::Clock& clock;
  Settings settings;
  std::function<std::uint64_t()> entropy;  // for ids and names, which nobody shall guess
};

using Use = Task<http::Response> (*)(const Context&, http::Request);

struct Entry {
  const char* method;
  const char* pattern;
  Use use;
  bool needs_auth = true;
  std::size_t body_bytes_max = limits::kHttpBodyBytesMax;
};

inline constexpr const char* kOwner = "default";
inline constexpr const char* kDialect = "opensbx";

// The sandbox that "{id}" names: by id, name or the beginning of an id.
[[nodiscard]] inline Task<Result<SandboxRef>> found(const Context& context, const http::Request& request) {
  return context.sandboxes.resolve(request.parameter("id"), kOwner);
}

[[nodiscard]] inline http::Response ok(std::string body, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

[[nodiscard]] inline http::Response ok(const codec::json::object& body) { return ok(codec::write_json(body)); }

[[nodiscard]] inline http::Response no_content() {
  http::Response response;
  response.status = 204;
  response.content_type.clear();
  return response;
}

// True for the exact text "true" alone.
[[nodiscard]] inline bool is_switched_on(const http::Request& request, const std::string& name) {
  return request.query_value(name) == "true";
}

// Tools of the MCP server are routes under another name, with their own name as a parameter that no path sets.
inline constexpr const char* kTool = "tool";
[[nodiscard]] inline bool is_tool_call(const http::Request& request) { return request.parameters.contains(kTool); }

}  // namespace sandboxd::orch::opensbx
