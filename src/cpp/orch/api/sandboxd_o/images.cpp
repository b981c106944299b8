#include "orch/api/sandboxd_o/images.hpp"

#include "aio/deadline.hpp"
#include "codec/sbxlet_images.hpp"
#include "http/sse.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/queries.hpp"
#include "orch/api/sandboxd_o/route_parts.hpp"
#include "orch/api/sandboxd_o/validate.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::orch::sandboxd_o {
namespace {

namespace json = codec::json;
namespace sbxlet = codec::sbxlet;

constexpr std::size_t kImportBodyBytesMax = 32ULL * 1024 * 1024 * 1024;  // as a node takes it

struct Api {
  ImageService& images;
  ports::Clock& clock;
};
using ApiUse = Task<http::Response> (*)(Api, http::Request);

std::string query_of(const http::Request& request, const char* name) { return request.query_value(name).value_or(""); }

std::vector<std::string> queries_of(const http::Request& request, const std::string& name) {
  std::vector<std::string> out;
  const auto [first, last] = request.query.equal_range(name);
  for (auto at = first; at != last; ++at) out.push_back(at->second);
  return out;
}

http::Response no_reference() {
  return invalid_input(Error(ErrorCode::invalid_argument, "the query parameter reference is required"));
}

json::object fleet_image(const FleetImage& image) {
  json::object out = sbxlet::image_object(image.image);
  json::array nodes;
  for (const NodeId& node : image.nodes) nodes.emplace_back(node.str());
  out["nodes"] = std::move(nodes);
  return out;
}

json::array failures(const std::vector<NodeFailure>& errors) {
  json::array out;
  for (const NodeFailure& failure : errors) {
    json::object item;
    item["node"] = failure.node.str();
    item["error"] = failure.error.message();
    item["code"] = to_string(failure.error.code());
    out.push_back(std::move(item));
  }
  return out;
}

json::object changed(const FleetImageChange& change) {
  json::object out = fleet_image(change.image);
  out["errors"] = failures(change.errors);
  return out;
}

Task<http::Response> list(Api api, http::Request) {
  auto images = co_await api.images.list();
  if (!images) co_return error_response(images.error());
  json::array items;
  for (const FleetImage& image : images->items) items.push_back(fleet_image(image));
  json::object body;
  body["items"] = std::move(items);
  body["errors"] = failures(images->errors);
  co_return ok(body);
}

Task<http::Response> inspect(Api api, http::Request request) {
  const std::string reference = query_of(request, "reference");
  if (reference.empty()) co_return no_reference();
  auto image = co_await api.images.inspect(reference);
  if (!image) co_return error_response(image.error());
  co_return ok(fleet_image(*image));
}

Task<http::Response> remove(Api api, http::Request request) {
  RemoveImage wanted;
  wanted.reference = query_of(request, "reference");
  wanted.node = NodeId(query_of(request, "node"));
  if (wanted.reference.empty()) co_return no_reference();
  const auto force = force_query(request);
  if (!force) co_return error_response(force.error());
  wanted.force = *force;
  const std::string reference = wanted.reference;
  auto removed = co_await api.images.remove(std::move(wanted));
  if (!removed) co_return service_error(removed.error());
  co_return deleted(reference);
}

class PullBody final : public http::BodyStream {
 public:
  PullBody(std::shared_ptr<WatchedPull> pull, ports::Clock& clock) : pull_(std::move(pull)), clock_(clock) {}

  Task<std::optional<std::string>> next() override {
    if (is_over_) co_return std::nullopt;
    if (!pull_->outcome && !pull_->progress) {
      auto news = co_await aio::with_deadline(clock_, limits::kSseKeepAlive, news_of(pull_), "pull");
      if (!news && news.error().code() != ErrorCode::deadline_exceeded) co_return std::nullopt;
      if (!news) co_return http::sse_keep_alive();
    }
    // The last progress before the end is told too.
    if (auto progress = std::exchange(pull_->progress, std::nullopt))
      co_return text_of(sbxlet::encode_pull_event(sbxlet::PullEvent(*std::move(progress))));
    is_over_ = true;
    const Result<FleetImageChange>& outcome = *pull_->outcome;
    if (!outcome) co_return text_of(sbxlet::encode_pull_event(sbxlet::PullFailed{outcome.error()}));
    co_return text_of({"image", codec::write_json(changed(*outcome))});
  }

 private:
  static Task<Result<void>> news_of(std::shared_ptr<WatchedPull> pull) {
    while (!pull->outcome && !pull->progress) co_await pull->changed.wait();
    co_return Result<void>();
  }

  static std::string text_of(sbxlet::PullEventText wire) {
    http::SseEvent out;
    out.event = std::move(wire.name);
    out.data = std::move(wire.data);
    return http::format_sse(out);
  }

  std::shared_ptr<WatchedPull> pull_;
  ports::Clock& clock_;
  bool is_over_ = false;
};

Task<http::Response> pull(Api api, http::Request request) {
  auto body = sbxlet::decode_pull(request.body);
  if (!body) co_return invalid_input(body.error());
  PullImage wanted;
  wanted.image = std::move(body->image);
  wanted.credentials = std::move(body->credentials);
  wanted.node = NodeId(query_of(request, "node"));
  const std::string progress = query_of(request, "progress");
  if (progress == "true" || progress == "1") {
    http::Response response;
    response.content_type = "text/event-stream";
    response.headers.emplace_back("Cache-Control", "no-store");
    response.stream = std::make_shared<PullBody>(api.images.watch_pull(std::move(wanted)), api.clock);
    co_return response;
  }
  auto image = co_await api.images.pull(std::move(wanted));
  if (!image) co_return service_error(image.error());
  co_return ok(changed(*image));
}

Task<http::Response> import(Api api, http::Request request) {
  ImportImage wanted;
  wanted.reference = query_of(request, "reference");
  wanted.node = NodeId(query_of(request, "node"));
  const std::string format = request.query_value("format").value_or("image");
  if (format != "image" && format != "rootfs")
    co_return invalid_input(Error(ErrorCode::invalid_argument, "format must be image or rootfs, not " + format));
  if (format == "rootfs") wanted.kind = model::ArchiveKind::rootfs;
  wanted.rootfs.entrypoint = queries_of(request, "entrypoint");
  wanted.rootfs.command = queries_of(request, "command");
  wanted.rootfs.env = queries_of(request, "env");
  wanted.rootfs.work_dir = query_of(request, "workDir");
  wanted.rootfs.user = query_of(request, "user");
  wanted.source = [body = request.body_reader] { return body->next(); };
  auto image = co_await api.images.import(std::move(wanted));
  if (!image) co_return service_error(image.error());
  http::Response response = ok(changed(*image));
  response.status = 201;
  co_return response;
}

Task<http::Response> usage(Api api, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  auto usage = co_await api.images.usage(SandboxId(id));
  if (!usage) co_return error_response(usage.error());
  co_return ok(sbxlet::usage_object(*usage));
}

struct ImageEntry {
  const char* method;
  const char* pattern;
  ApiUse use;
  std::size_t body_bytes_max = limits::kHttpBodyBytesMax;
  bool streams_body = false;
};

constexpr ImageEntry kRoutes[] = {
    {"GET", "/api/v1/images", list},
    {"GET", "/api/v1/images/inspect", inspect},
    {"POST", "/api/v1/images/pull", pull},
    {"DELETE", "/api/v1/images", remove},
    {"POST", "/api/v1/images/import", import, kImportBodyBytesMax, true},
    {"GET", "/api/v1/sandboxes/{id}/usage", usage},
};

}  // namespace

Result<void> add_image_routes(http::Router& router, ImageService& images, ports::Clock& clock) {
  for (const ImageEntry& entry : kRoutes) {
    http::Route route;
    route.method = entry.method;
    route.pattern = entry.pattern;
    route.body_bytes_max = entry.body_bytes_max;
    route.streams_body = entry.streams_body;
    route.handler = [api = Api{images, clock}, use = entry.use](http::Request request) {
      return use(api, std::move(request));
    };
    SBX_CHECK(router.add(std::move(route)));
  }
  return {};
}

}  // namespace sandboxd::orch::sandboxd_o
