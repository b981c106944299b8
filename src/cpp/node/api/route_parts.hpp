// What the route files of the node's API share.
#pragma once

#include "base/limits.hpp"
#include "codec/json.hpp"
#include "codec/sbxlet.hpp"
#include "http/message.hpp"
#include "node/agent.hpp"
#include "node/api/sbxlet_routes.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace sandboxd::node {

struct Api {
  Agent& agent;
  codec::sbxlet::NodeFacts facts;
};
using ApiPtr = std::shared_ptr<const Api>;

struct RouteEntry {
  const char* method;
  const char* pattern;
  Task<http::Response> (*function)(ApiPtr, http::Request);
  bool needs_auth = true;
  std::size_t body_bytes_max = limits::kHttpBodyBytesMax;
  bool streams_body = false;
};
// What is sent into a sandbox passes through; the sandbox's disk is the limit.
inline constexpr std::size_t kUploadBytesMax = std::size_t{1} << 40;

// Logs, whole and as they grow.
[[nodiscard]] std::span<const RouteEntry> log_routes();
// Into running sandboxes (codec/guest_wire.hpp).
[[nodiscard]] std::span<const RouteEntry> command_routes();
[[nodiscard]] std::span<const RouteEntry> file_routes();
[[nodiscard]] std::span<const RouteEntry> attach_routes();

// Pause, resume, stop, start.
[[nodiscard]] std::span<const RouteEntry> life_routes();
[[nodiscard]] std::span<const RouteEntry> image_routes();
[[nodiscard]] std::span<const RouteEntry> usage_routes();

inline http::Response ok(const codec::json::object& body, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = codec::write_json(body);
  return response;
}

inline http::Response raw_json(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

inline http::Response failed(int status, const Error& error) {
  return sbxlet_error(status, error.code(), error.message());
}

}  // namespace sandboxd::node
