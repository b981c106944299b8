// Images of the fleet: the union over its nodes.
#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/image_wire.hpp"
#include "orch/api/opensbx/route_tables.hpp"

#include <optional>
#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

// The original speaks of sandboxes here, and calls an image in use an internal error.
http::Response image_failed(const Context& context, const Error& error) {
  const bool is_strict = context.settings.is_strict;
  if (error.code() == ErrorCode::not_found) {
    return error_response(404, is_strict ? "sandbox not found" : "image not found");
  }
  return is_strict ? error_response(500, error.message()) : failed(error);
}

// Ours: "?node=" means one node alone. An answer when there is none of this name.
Task<std::optional<http::Response>> refuse_node(const Context& context, const NodeId& node) {
  if (node.empty()) co_return std::nullopt;
  auto found = co_await context.sandboxes.get_node(node);
  if (found) co_return std::nullopt;
  co_return failed(found.error());
}

// "/v1/images/" with nothing behind it.
http::Response to_list() {
  http::Response response;
  response.status = 301;
  response.headers.emplace_back("Location", "/v1/images");
  response.content_type.clear();
  return response;
}

Task<http::Response> list(const Context& context, http::Request) {
  auto images = co_await context.images.list();
  if (!images) co_return failed(images.error());
  if (images->items.empty() && !images->errors.empty()) co_return failed(images->errors.front().error);
  codec::json::array items;
  for (const FleetImage& image : images->items) items.push_back(image_summary(image.image));
  codec::json::object body;
  const bool is_empty = items.empty();
  body["images"] = std::move(items);
  if (is_empty) body["message"] = "no images found";
  co_return ok(body);
}

Task<http::Response> inspect(const Context& context, http::Request request) {
  const std::string& reference = request.parameter("image");
  if (reference.empty()) co_return to_list();
  auto image = co_await context.images.inspect(reference);
  if (!image) co_return image_failed(context, image.error());
  co_return ok(image_detail(image->image));
}

Task<http::Response> pull(const Context& context, http::Request request) {
  return pull_image(context, std::move(request), {});
}

Task<http::Response> remove(const Context& context, http::Request request) {
  RemoveImage wanted;
  wanted.reference = request.parameter("image");
  if (wanted.reference.empty()) co_return no_route();  // the list has no such method
  wanted.force = is_switched_on(request, "force");
  wanted.node = NodeId(request.query_value("node").value_or(""));
  auto refusal = co_await refuse_node(context, wanted.node);
  if (refusal) co_return *std::move(refusal);
  auto removed = co_await context.images.remove(std::move(wanted));
  if (!removed) co_return image_failed(context, removed.error());
  co_return no_content();
}

// The rest of the path: names of images have slashes.
constexpr Entry kRoutes[] = {
    {"GET", "/v1/images", list},
    {"GET", "/v1/images/{image...}", inspect},
    {"POST", "/v1/images/pull", pull},
    {"DELETE", "/v1/images/{image...}", remove},
};

}  // namespace

Task<http::Response> pull_image(const Context& context, http::Request request, PullObserver observer) {
  auto image = decode_pull(request.body);
  if (!image) co_return bad_request(image.error());
  PullImage wanted;
  wanted.image = *image;
  wanted.node = NodeId(request.query_value("node").value_or(""));
  wanted.observer = std::move(observer);
  auto refusal = co_await refuse_node(context, wanted.node);
  if (refusal) co_return *std::move(refusal);
  auto pulled = co_await context.images.pull(std::move(wanted));
  if (!pulled && !context.settings.is_strict && pulled.error().code() == ErrorCode::invalid_argument) {
    co_return bad_request(pulled.error());
  }
  if (!pulled) co_return error_response(500, "pull " + *image + ": " + pulled.error().message());
  codec::json::object body;
  body["status"] = "pulled";
  body["image"] = *image;
  co_return ok(body);
}

std::span<const Entry> image_routes() { return kRoutes; }

}  // namespace sandboxd::orch::opensbx
