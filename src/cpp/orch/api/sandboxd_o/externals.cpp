// /api/v1/externals: the public endpoint that is bound to a node.
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/route_parts.hpp"
#include "orch/api/sandboxd_o/validate.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

#include <string>
#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

Error id_required() { return {ErrorCode::invalid_argument, "id is required"}; }

Task<http::Response> bind_external(SandboxService& service, http::Request request) {
  auto body = decode_external(request.body);
  if (!body) co_return error_response(body.error());
  if (auto valid = validate_external(*body); !valid) co_return invalid_input(valid.error());
  auto bound = co_await service.bind_external(*std::move(body));
  if (!bound) co_return service_error(bound.error());
  co_return raw_json(R"({"ok":true})");
}

Task<http::Response> list_externals(SandboxService& service, http::Request) {
  auto nodes = co_await service.list_externals();
  if (!nodes) co_return error_response(nodes.error());
  codec::json::array items;
  for (const NodeRef& node : *nodes) items.push_back(external_object(*node));
  codec::json::object body;
  body["items"] = std::move(items);
  co_return ok(body);
}

Task<http::Response> get_external(SandboxService& service, http::Request request) {
  std::string id(trimmed(request.parameter("id")));
  if (id.empty()) co_return invalid_input(id_required());
  auto node = co_await service.get_external(std::move(id));
  if (!node) co_return error_response(node.error());
  co_return enveloped("external", external_object(**node));
}

Task<http::Response> unbind_external(SandboxService& service, http::Request request) {
  std::string id(trimmed(request.parameter("id")));
  if (id.empty()) co_return invalid_input(id_required());
  auto unbound = co_await service.unbind_external(std::move(id));
  if (!unbound) co_return error_response(unbound.error());
  co_return deleted(request.parameter("id"));
}

constexpr Entry kRoutes[] = {
    {"POST", "/api/v1/externals", bind_external},
    {"GET", "/api/v1/externals", list_externals},
    {"GET", "/api/v1/externals/{id}", get_external},
    {"DELETE", "/api/v1/externals/{id}", unbind_external},
};

}  // namespace

std::span<const Entry> external_routes() { return kRoutes; }

}  // namespace sandboxd::orch::sandboxd_o
