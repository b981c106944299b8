#include "orch/api/sandboxd_o/routes.hpp"

#include "codec/sbxlet.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/queries.hpp"
#include "orch/api/sandboxd_o/route_parts.hpp"
#include "orch/api/sandboxd_o/shown_texts.hpp"
#include "orch/api/sandboxd_o/validate.hpp"
#include "orch/api/sandboxd_o/watch.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

#include <memory>
#include <span>
#include <string>
#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

// How long a new node may take to report before the answer shows it as Unknown.
constexpr Duration kNodeSettle = std::chrono::seconds(3);

Task<http::Response> healthz(SandboxService&, http::Request) { co_return raw_json(R"({"ok":true})"); }

std::string created_body(const model::Sandbox& sandbox) { return envelope("sandbox", sandbox_object(sandbox)); }

// A create under an idempotency key.
Task<http::Response> create_once(SandboxService& service, CreateSandbox create, OnceKey once) {
  auto answer = co_await service.create_once(std::move(create), std::move(once), created_body);
  if (!answer) {
    // As the draft of the header's standard: the key of another request makes this one unprocessable.
    if (answer.error().code() != ErrorCode::conflict) co_return service_error(answer.error());
    http::Response refusal = error_response(answer.error());
    refusal.status = 422;
    co_return refusal;
  }
  http::Response response = raw_json(std::move(answer->text), 201);
  if (answer->is_repeated) response.headers.emplace_back("Idempotent-Replayed", "true");
  co_return response;
}

Task<http::Response> create_sandbox(SandboxService& service, http::Request request) {
  auto once = once_key(request);
  if (!once) co_return invalid_input(once.error());
  auto body = decode_create(request.body);
  if (!body) co_return error_response(body.error());
  if (auto valid = validate_create(*body); !valid) co_return invalid_input(valid.error());
  CreateSandbox create;
  create.id = SandboxId(body->id);
  create.name = body->name;
  create.spec = std::move(body->spec);
  create.dialect = "sandboxd_o";
  if (*once) {
    auto response = co_await create_once(service, std::move(create), **std::move(once));
    co_return response;
  }
  auto sandbox = co_await service.create(std::move(create));
  if (!sandbox) co_return service_error(sandbox.error());
  co_return raw_json(created_body(**sandbox), 201);
}

Task<http::Response> list_sandboxes(SandboxService& service, ShownTexts& texts, http::Request request) {
  auto query = sandbox_query(request);
  if (!query) co_return invalid_input(query.error());
  auto list = co_await service.list(*std::move(query));
  if (!list) co_return service_error(list.error());
  std::string body = R"({"items":[)";
  for (const SandboxRef& sandbox : list->items) {
    if (body.back() == '}') body += ',';
    texts.append(sandbox, body);
  }
  texts.forget_gone();
  codec::json::object rest;
  codec::put_if(rest, "next_cursor", list->next_cursor);
  rest["revision"] = list->revision;
  body += "]," + codec::write_json(rest).substr(1);
  co_return raw_json(std::move(body));
}

Task<http::Response> get_sandbox(SandboxService& service, http::Request request) {
  const std::string id = request.parameter("id");
  // The original answers 500 here, against its own page; we answer the 400 that the page promises.
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  auto sandbox = co_await service.describe(SandboxId(id));
  if (!sandbox) co_return error_response(sandbox.error());
  codec::json::object shown = sandbox_object(**sandbox);
  const auto pulls = co_await service.pulls(*sandbox);
  if (!pulls.empty()) shown["pulls"] = codec::sbxlet::pulls_array(pulls);
  co_return enveloped("sandbox", std::move(shown));
}

Task<http::Response> delete_sandbox(SandboxService& service, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  auto removed = co_await service.remove(SandboxId(id));
  if (!removed) co_return error_response(removed.error());
  co_return deleted(id);
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
  if (!node) co_return service_error(node.error());
  co_return enveloped("node", node_object(**node));
}

Task<http::Response> list_nodes(SandboxService& service, http::Request request) {
  auto query = node_query(request);
  if (!query) co_return invalid_input(query.error());
  auto list = co_await service.list_nodes(*std::move(query));
  if (!list) co_return service_error(list.error());
  codec::json::array items;
  for (const NodeRef& node : list->items) items.push_back(node_object(*node));
  codec::json::object body;
  body["items"] = std::move(items);
  codec::put_if(body, "next_cursor", list->next_cursor);
  body["revision"] = list->revision;
  co_return ok(body);
}

Task<http::Response> get_node(SandboxService& service, http::Request request) {
  auto node = co_await service.get_node(NodeId(request.parameter("id")));
  if (!node) co_return error_response(node.error());
  co_return enveloped("node", whole_node_object(**node));
}

Task<http::Response> patch_node(SandboxService& service, http::Request request) {
  auto body = decode_node_patch(request.body);
  if (!body) co_return error_response(body.error());
  const NodeId id{std::string(trimmed(request.parameter("id")))};
  if (id.empty()) co_return invalid_input(Error(ErrorCode::invalid_argument, "id is required"));
  const auto known = co_await service.get_node(id);
  if (!known) co_return error_response(known.error());
  if (!body->patch.unschedulable && !body->has_labels) {
    co_return invalid_input(
        Error(ErrorCode::invalid_argument, "at least one of spec.unschedulable or metadata.labels is required"));
  }
  auto node = co_await service.patch_node(id, std::move(body->patch));
  if (!node) co_return service_error(node.error());
  co_return enveloped("node", node_object(**node));
}

Task<http::Response> delete_node(SandboxService& service, http::Request request) {
  const auto force = force_query(request);
  if (!force) co_return error_response(force.error());
  const NodeId id{std::string(trimmed(request.parameter("id")))};
  if (id.empty()) co_return invalid_input(Error(ErrorCode::invalid_argument, "id is required"));
  const auto removed = co_await service.delete_node(id, *force);
  // By force, what is not there is gone.
  const bool is_gone = !removed && *force && removed.error().code() == ErrorCode::not_found;
  if (!removed && !is_gone) co_return service_error(removed.error());
  co_return deleted(request.parameter("id"));
}

Task<http::Response> heartbeat(SandboxService& service, http::Request request) {
  auto probed = co_await service.probe_node(NodeId(request.parameter("id")));
  if (!probed) co_return error_response(probed.error());
  codec::json::object body;
  body["node"] = node_object(*probed->node);
  body["heartbeat"] = probed->health_error.empty() ? "ok" : "failed";
  if (probed->resources) body["resources"] = resources_object(*probed->resources, probed->node->external);
  codec::put_if(body, "heartbeat_error", probed->health_error);
  codec::put_if(body, "status_error", probed->status_error);
  co_return ok(body);
}

constexpr Entry kRoutes[] = {
    {"GET", "/healthz", healthz, false},
    {"POST", "/api/v1/sandboxes", create_sandbox},
    {"GET", "/api/v1/sandboxes/{id}", get_sandbox},
    {"DELETE", "/api/v1/sandboxes/{id}", delete_sandbox},
    {"POST", "/api/v1/nodes", create_node},
    {"GET", "/api/v1/nodes", list_nodes},
    {"GET", "/api/v1/nodes/{id}", get_node},
    {"PATCH", "/api/v1/nodes/{id}", patch_node},
    {"DELETE", "/api/v1/nodes/{id}", delete_node},
    {"POST", "/api/v1/nodes/{id}/heartbeat", heartbeat},
};

}  // namespace

Result<void> add_routes(http::Router& router, SandboxService& service, ports::Clock& clock) {
  for (const std::span<const Entry> table :
       {std::span<const Entry>(kRoutes), node_proxy_routes(), external_routes(), log_routes(), life_routes()}) {
    for (const Entry& entry : table) {
      http::Route route;
      route.method = entry.method;
      route.pattern = entry.pattern;
      route.needs_auth = entry.needs_auth;
      route.handler = [&service, use = entry.use](http::Request request) { return use(service, std::move(request)); };
      SBX_CHECK(router.add(std::move(route)));
    }
  }
  http::Route list_route;
  list_route.method = "GET";
  list_route.pattern = "/api/v1/sandboxes";
  list_route.handler = [&service, texts = std::make_shared<ShownTexts>()](http::Request request) {
    return list_sandboxes(service, *texts, std::move(request));
  };
  SBX_CHECK(router.add(std::move(list_route)));
  http::Route watch_route;
  watch_route.method = "GET";
  watch_route.pattern = "/api/v1/watch";
  watch_route.handler = [&service, &clock](http::Request request) { return watch(service, clock, std::move(request)); };
  return router.add(std::move(watch_route));
}

}  // namespace sandboxd::orch::sandboxd_o
