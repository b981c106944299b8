#include "orch/api/opensbx/routes.hpp"

#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/route_tables.hpp"

#include <span>

namespace sandboxd::orch::opensbx {
namespace {

http::Response unhealthy(std::string_view why) {
  codec::json::object body;
  body["error"] = why;
  body["status"] = "unhealthy";
  http::Response response = ok(codec::write_json(body), 503);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

// Healthy: changes are stored, and there is a node to run sandboxes on.
Task<http::Response> health(const Context& context, http::Request) {
  auto ready = co_await context.operations.check_ready();
  if (!ready) co_return unhealthy(ready.error().message());
  NodeQuery query;
  query.states.insert(model::NodeState::ready);
  auto nodes = co_await context.sandboxes.list_nodes(std::move(query));
  if (!nodes) co_return unhealthy(nodes.error().message());
  if (nodes->items.empty()) co_return unhealthy("no node is ready");
  co_return ok(status_body("healthy"));
}

constexpr Entry kRoutes[] = {
    {"GET", "/v1/health", health, false},
    {"POST", "/v1/sandboxes", create_sandbox},
};

}  // namespace

std::span<const Entry> main_routes() { return kRoutes; }

Result<void> add_routes(http::Router& router, const Context& context) {
  for (const std::span<const Entry> table :
       {main_routes(), sandbox_routes(), life_routes(), command_routes(), file_routes(), image_routes()}) {
    for (const Entry& entry : table) {
      http::Route route;
      route.method = entry.method;
      route.pattern = entry.pattern;
      route.needs_auth = entry.needs_auth;
      route.body_bytes_max = entry.body_bytes_max;
      route.handler = [&context, use = entry.use](http::Request request) { return use(context, std::move(request)); };
      SBX_CHECK(router.add(std::move(route)));
    }
  }
  return {};
}

}  // namespace sandboxd::orch::opensbx
