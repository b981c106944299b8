#include "orch/api/sandboxd_o/routes.hpp"

#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/watch.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

// How long a new node may take to report before the answer shows it as Unknown.
constexpr Duration kNodeSettle = std::chrono::seconds(3);

http::Response ok(const codec::json::object& body, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = codec::write_json(body);
  return response;
}

// {"<key>": object}, the envelope of every single object.
http::Response enveloped(const char* key, codec::json::object object, int status = 200) {
  codec::json::object body;
  body[key] = std::move(object);
  return ok(body, status);
}

http::Response raw_json(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

Task<http::Response> healthz(SandboxService&, http::Request) { co_return raw_json(R"({"ok":true})"); }

Task<http::Response> create_sandbox(SandboxService& service, http::Request request) {
  auto body = decode_create(request.body);
  if (!body) co_return error_response(body.error());
  if (auto valid = validate_create(*body); !valid) co_return invalid_input(valid.error());
  CreateSandbox create;
  create.id = SandboxId(body->id);
  create.name = body->name;
  create.spec = std::move(body->spec);
  create.dialect = "sandboxd_o";
  auto sandbox = co_await service.create(std::move(create));
  if (!sandbox) co_return error_response(sandbox.error());
  co_return enveloped("sandbox", sandbox_object(**sandbox), 201);
}

Task<http::Response> list_sandboxes(SandboxService& service, http::Request) {
  auto list = co_await service.list();
  if (!list) co_return error_response(list.error());
  std::string body = R"({"items":[)";
  for (const SandboxRef& sandbox : list->items) {
    if (body.back() == '}') body += ',';
    codec::append_json(sandbox_object(*sandbox), body);
  }
  body += R"(],"revision":)" + std::to_string(list->revision) + '}';
  co_return raw_json(std::move(body));
}

Task<http::Response> get_sandbox(SandboxService& service, http::Request request) {
  const std::string id = request.parameter("id");
  // The original answers 500 here, against its own page; we answer the 400 that the page promises.
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  auto sandbox = co_await service.get(SandboxId(id));
  if (!sandbox) co_return error_response(sandbox.error());
  co_return enveloped("sandbox", sandbox_object(**sandbox));
}

Task<http::Response> delete_sandbox(SandboxService& service, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  auto removed = co_await service.remove(SandboxId(id));
  if (!removed) co_return error_response(removed.error());
  codec::json::object body;
  body["deleted"] = id;
  co_return ok(body);
}

Task<http::Response> sandbox_logs(SandboxService& service, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  auto logs = co_await service.logs(SandboxId(id));
  if (!logs) co_return error_response(logs.error());
  co_return raw_json(std::move(*logs));
}

Task<http::Response> container_logs(SandboxService& service, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  auto logs = co_await service.container_logs(SandboxId(id), request.parameter("container"));
  if (!logs) co_return error_response(logs.error());
  co_return raw_json(std::move(*logs));
}

Task<http::Response> create_node(SandboxService& service, http::Request request) {
  auto body = decode_node(request.body);
  if (!body) co_return error_response(body.error());
  if (body->id.empty()) co_return error_response(400, "invalid input: id is required");
  if (auto valid = model::validate_address(body->address); !valid) co_return invalid_input(valid.error());
  UpsertNode upsert;
  upsert.id = NodeId(body->id);
  upsert.address = std::move(body->address);
  upsert.labels = std::move(body->labels);
  upsert.unschedulable = body->unschedulable;
  auto node = co_await service.upsert_node(std::move(upsert), kNodeSettle);
  if (!node) {
    co_return node.error().code() == ErrorCode::invalid_argument ? invalid_input(node.error())
                                                                 : error_response(node.error());
  }
  co_return enveloped("node", node_object(**node));
}

Task<http::Response> list_nodes(SandboxService& service, http::Request) {
  auto list = co_await service.list_nodes();
  if (!list) co_return error_response(list.error());
  codec::json::array items;
  for (const NodeRef& node : list->items) items.push_back(node_object(*node));
  codec::json::object body;
  body["items"] = std::move(items);
  body["revision"] = list->revision;
  co_return ok(body);
}

Task<http::Response> get_node(SandboxService& service, http::Request request) {
  auto node = co_await service.get_node(NodeId(request.parameter("id")));
  if (!node) co_return error_response(node.error());
  co_return enveloped("node", node_object(**node));
}

// The node's own answer for a read-only route of its API.
Task<http::Response> node_get(SandboxService& service, std::string node, std::string path) {
  auto answer = co_await service.node_json(NodeId(std::move(node)), std::move(path));
  if (!answer) co_return node_error(answer.error());
  co_return raw_json(std::move(*answer));
}

Task<http::Response> node_sandboxes(SandboxService& service, http::Request request) {
  std::string path = "/v1/sandboxes";
  const auto limit = request.query_value("limit");
  const auto cursor = request.query_value("cursor");
  char separator = '?';
  if (limit && !limit->empty() && limit->size() < 10 && limit->find_first_not_of("0123456789") == std::string::npos) {
    path += separator + std::string("limit=") + *limit;
    separator = '&';
  }
  if (cursor && !cursor->empty()) path += separator + std::string("cursor=") + http::percent_encode(*cursor);
  co_return co_await node_get(service, request.parameter("id"), std::move(path));
}

std::string node_sandbox_path(const http::Request& request) {
  return "/v1/sandboxes/" + http::percent_encode(request.parameter("sandbox"));
}

Task<http::Response> node_sandbox(SandboxService& service, http::Request request) {
  std::string path = node_sandbox_path(request);
  co_return co_await node_get(service, request.parameter("id"), std::move(path));
}

Task<http::Response> node_sandbox_logs(SandboxService& service, http::Request request) {
  std::string path = node_sandbox_path(request) + "/logs";
  co_return co_await node_get(service, request.parameter("id"), std::move(path));
}

Task<http::Response> node_container_logs(SandboxService& service, http::Request request) {
  std::string path =
      node_sandbox_path(request) + "/containers/" + http::percent_encode(request.parameter("container")) + "/logs";
  co_return co_await node_get(service, request.parameter("id"), std::move(path));
}

using Use = Task<http::Response> (*)(SandboxService&, http::Request);

struct Entry {
  const char* method;
  const char* pattern;
  Use use;
  bool needs_auth = true;
};

constexpr Entry kRoutes[] = {
    {"GET", "/healthz", healthz, false},
    {"POST", "/api/v1/sandboxes", create_sandbox},
    {"GET", "/api/v1/sandboxes", list_sandboxes},
    {"GET", "/api/v1/sandboxes/{id}", get_sandbox},
    {"DELETE", "/api/v1/sandboxes/{id}", delete_sandbox},
    {"GET", "/api/v1/sandboxes/{id}/logs", sandbox_logs},
    {"GET", "/api/v1/sandboxes/{id}/containers/{container}/logs", container_logs},
    {"POST", "/api/v1/nodes", create_node},
    {"GET", "/api/v1/nodes", list_nodes},
    {"GET", "/api/v1/nodes/{id}", get_node},
    {"GET", "/api/v1/nodes/{id}/sandboxes", node_sandboxes},
    {"GET", "/api/v1/nodes/{id}/sandboxes/{sandbox}", node_sandbox},
    {"GET", "/api/v1/nodes/{id}/sandboxes/{sandbox}/logs", node_sandbox_logs},
    {"GET", "/api/v1/nodes/{id}/sandboxes/{sandbox}/containers/{container}/logs", node_container_logs},
};

}  // namespace

Result<void> add_routes(http::Router& router, SandboxService& service, ports::Clock& clock) {
  for (const Entry& entry : kRoutes) {
    http::Route route;
    route.method = entry.method;
    route.pattern = entry.pattern;
    route.needs_auth = entry.needs_auth;
    route.handler = [&service, use = entry.use](http::Request request) { return use(service, std::move(request)); };
    SBX_CHECK(router.add(std::move(route)));
  }
  http::Route watch_route;
  watch_route.method = "GET";
  watch_route.pattern = "/api/v1/watch";
  watch_route.handler = [&service, &clock](http::Request request) { return watch(service, clock, std::move(request)); };
  return router.add(std::move(watch_route));
}

}  // namespace sandboxd::orch::sandboxd_o
