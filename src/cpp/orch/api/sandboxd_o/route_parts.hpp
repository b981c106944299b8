// What the route files of this dialect share. Internal to them.
#pragma once

#include "codec/json.hpp"
#include "http/message.hpp"
#include "orch/service.hpp"

#include <memory>
#include <span>
#include <string>
#include <utility>

namespace sandboxd::orch::sandboxd_o {

using Use = Task<http::Response> (*)(SandboxService&, http::Request);

struct Entry {
  const char* method;
  const char* pattern;
  Use use;
  bool needs_auth = true;
};

[[nodiscard]] std::span<const Entry> node_proxy_routes();
[[nodiscard]] std::span<const Entry> external_routes();
[[nodiscard]] std::span<const Entry> log_routes();
[[nodiscard]] std::span<const Entry> life_routes();

// A node's server-sent events, passed on as they come. A stream that breaks ends with an event "error".
[[nodiscard]] http::Response streamed(std::unique_ptr<ports::NodeStream> stream);

[[nodiscard]] inline http::Response raw_json(std::string body, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

[[nodiscard]] inline http::Response ok(const codec::json::object& body) { return raw_json(codec::write_json(body)); }

// {"<key>": object}, the envelope of every single object.
[[nodiscard]] inline std::string envelope(const char* key, codec::json::object object) {
  codec::json::object body;
  body[key] = std::move(object);
  return codec::write_json(body);
}

[[nodiscard]] inline http::Response enveloped(const char* key, codec::json::object object) {
  return raw_json(envelope(key, std::move(object)));
}

// {"deleted": id}
[[nodiscard]] inline http::Response deleted(const std::string& id) {
  codec::json::object body;
  body["deleted"] = id;
  return ok(body);
}

}  // namespace sandboxd::orch::sandboxd_o
