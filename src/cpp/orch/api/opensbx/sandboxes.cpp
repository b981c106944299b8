// What there is, and taking it away.
#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/route_tables.hpp"

namespace sandboxd::orch::opensbx {
namespace {

constexpr Duration kDeleteLimit = std::chrono::seconds(60);

Task<http::Response> list(const Context& context, http::Request) {
  auto list = co_await context.sandboxes.list();
  if (!list) co_return failed(list.error());
  if (list->items.empty()) co_return ok(R"({"message":"no sandboxes found","sandboxes":[]})");
  const WallTime now = context.clock.wall_now();
  std::string body = R"({"sandboxes":[)";
  for (const SandboxRef& sandbox : list->items) {
    if (body.back() == '}') body += ',';
    codec::append_json(summary_object(*sandbox, context.settings.urls, now), body);
  }
  co_return ok(body + "]}");
}

Task<http::Response> inspect(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  co_return ok(detail_object(**sandbox, context.settings.urls));
}

Task<http::Response> network(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  co_return ok(network_object(**sandbox));
}

Task<http::Response> stats(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  auto usage = co_await context.images.usage((*sandbox)->id);
  if (!usage) co_return failed(usage.error());
  codec::json::object memory;
  memory["usage"] = usage->memory_bytes;
  memory["limit"] = usage->memory_limit_bytes;
  memory["percent"] = usage->memory_percent;
  codec::json::object body;
  body["cpu_percent"] = usage->cpu_percent;
  body["memory"] = std::move(memory);
  body["pids"] = usage->pids;
  co_return ok(body);
}

// One that is not there is gone already.
Task<http::Response> remove(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox && sandbox.error().code() == ErrorCode::not_found) co_return no_content();
  if (!sandbox) co_return failed(sandbox.error());
  auto removed = co_await context.sandboxes.remove((*sandbox)->id);
  if (removed) removed = co_await context.sandboxes.wait_gone((*sandbox)->id, kDeleteLimit);
  if (removed || removed.error().code() == ErrorCode::not_found) co_return no_content();
  co_return error_response(500, removed.error().message());
}

constexpr Entry kRoutes[] = {
    {"GET", "/v1/sandboxes", list},
    {"GET", "/v1/sandboxes/{id}", inspect},
    {"DELETE", "/v1/sandboxes/{id}", remove},
    {"GET", "/v1/sandboxes/{id}/network", network},
    {"GET", "/v1/sandboxes/{id}/stats", stats},
};

}  // namespace

std::span<const Entry> sandbox_routes() { return kRoutes; }

}  // namespace sandboxd::orch::opensbx
