// /api/v1/nodes/{id}/...: the node's own API, passed through.
//
// The node is looked up first. What it answers with success comes back as 200, byte for byte; anything else is a 502 in
// the original's words.
#include "codec/json_text.hpp"
#include "codec/sbxlet.hpp"
#include "codec/sbxlet_validate.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/queries.hpp"
#include "orch/api/sandboxd_o/route_parts.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

ports::NodeCall call_of(std::string method, std::string path) {
  ports::NodeCall call;
  call.method = std::move(method);
  call.path = std::move(path);
  return call;
}

std::string sandbox_path(const http::Request& request) {
  return "/v1/sandboxes/" + http::percent_encode(request.parameter("sandbox"));
}

Task<http::Response> pass(SandboxService& service, std::string node_id, ports::NodeCall call) {
  auto node = co_await service.get_node(NodeId(std::move(node_id)));
  if (!node) co_return error_response(node.error());
  auto answer = co_await service.call_node(*std::move(node), std::move(call));
  if (!answer) co_return node_error(answer.error());
  co_return raw_json(*std::move(answer));
}

// The same, with the node's endpoint beside what it answered, as the published page shows it.
Task<http::Response> pass_with_external(SandboxService& service, std::string node_id, ports::NodeCall call) {
  auto node = co_await service.get_node(NodeId(std::move(node_id)));
  if (!node) co_return error_response(node.error());
  const std::string external = (*node)->external;
  auto answer = co_await service.call_node(*std::move(node), std::move(call));
  if (!answer) co_return node_error(answer.error());
  const auto members = codec::object_members(*answer);
  if (!members) co_return node_error(members.error());
  const bool has_one = std::find(members->begin(), members->end(), "external") != members->end();
  if (has_one || external.empty()) co_return raw_json(*std::move(answer));
  co_return raw_json(codec::with_member(*std::move(answer), "external", external));
}

Task<http::Response> pass_stream(SandboxService& service, std::string node_id, ports::NodeCall call) {
  auto node = co_await service.get_node(NodeId(std::move(node_id)));
  if (!node) co_return error_response(node.error());
  auto stream = co_await service.stream_from_node(*std::move(node), std::move(call));
  if (!stream) co_return node_error(stream.error());
  co_return streamed(*std::move(stream));
}

Task<http::Response> list(SandboxService& service, http::Request request) {
  auto call = call_of("GET", "/v1/sandboxes" + passed_page_query(request));
  call.answer_bytes_max = limits::kHttpClientBodyBytesMax;
  return pass_with_external(service, request.parameter("id"), std::move(call));
}

Task<http::Response> get(SandboxService& service, http::Request request) {
  return pass_with_external(service, request.parameter("id"), call_of("GET", sandbox_path(request)));
}

Task<http::Response> create(SandboxService& service, http::Request request) {
  auto node = co_await service.get_node(NodeId(request.parameter("id")));
  if (!node) co_return error_response(node.error());
  auto body = codec::sbxlet::decode_create(request.body);
  if (!body) co_return error_response(body.error());
  if (auto valid = codec::sbxlet::validate_create(*body); !valid) co_return error_response(valid.error());
  body->uid.clear();  // marks what a control plane made: the node draws one for this
  ports::NodeCall call = call_of("POST", "/v1/sandboxes");
  call.body = codec::sbxlet::encode_create(*body);
  auto answer = co_await service.call_node(*std::move(node), std::move(call));
  if (!answer) co_return node_error(answer.error());
  co_return raw_json(*std::move(answer));
}

Task<http::Response> remove(SandboxService& service, http::Request request) {
  return pass(service, request.parameter("id"), call_of("DELETE", sandbox_path(request)));
}

Task<http::Response> pass_log(SandboxService& service, const http::Request& request, std::string path) {
  auto call = call_of("GET", path + passed_log_query(request));
  call.answer_bytes_max = limits::kHttpClientBodyBytesMax;
  if (is_following(request)) return pass_stream(service, request.parameter("id"), std::move(call));
  return pass(service, request.parameter("id"), std::move(call));
}

Task<http::Response> logs(SandboxService& service, http::Request request) {
  return pass_log(service, request, sandbox_path(request) + "/logs");
}

Task<http::Response> container_logs(SandboxService& service, http::Request request) {
  const std::string container = http::percent_encode(request.parameter("container"));
  return pass_log(service, request, sandbox_path(request) + "/containers/" + container + "/logs");
}

Task<http::Response> reconcile(SandboxService& service, http::Request request) {
  return pass(service, request.parameter("id"), call_of("POST", "/v1/reconcile"));
}

constexpr Entry kRoutes[] = {
    {"GET", "/api/v1/nodes/{id}/sandboxes", list},
    {"POST", "/api/v1/nodes/{id}/sandboxes", create},
    {"GET", "/api/v1/nodes/{id}/sandboxes/{sandbox}", get},
    {"DELETE", "/api/v1/nodes/{id}/sandboxes/{sandbox}", remove},
    {"GET", "/api/v1/nodes/{id}/sandboxes/{sandbox}/logs", logs},
    {"GET", "/api/v1/nodes/{id}/sandboxes/{sandbox}/containers/{container}/logs", container_logs},
    {"POST", "/api/v1/nodes/{id}/reconcile", reconcile},
};

}  // namespace

std::span<const Entry> node_proxy_routes() { return kRoutes; }

}  // namespace sandboxd::orch::sandboxd_o
