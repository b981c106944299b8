// What a sandbox uses: our addition to the dialect. The form is codec/sbxlet_images.hpp's.
#include "codec/sbxlet_images.hpp"
#include "codec/sbxlet_validate.hpp"
#include "node/api/route_parts.hpp"
#include "node/usage_reader.hpp"

namespace sandboxd::node {
namespace {

Task<http::Response> usage(ApiPtr api, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = codec::sbxlet::validate_id(id); !valid) co_return failed(400, valid.error());
  auto read = co_await api->agent.usage().read(SandboxId(id));
  if (!read) co_return failed(http_status(read.error().code()), read.error());
  co_return ok(codec::sbxlet::usage_object(*read));
}

constexpr RouteEntry kRoutes[] = {{"GET", "/v1/sandboxes/{id}/usage", usage}};

}  // namespace

std::span<const RouteEntry> usage_routes() { return kRoutes; }

}  // namespace sandboxd::node
