#include "node/api/sbxlet_routes.hpp"

#include "base/limits.hpp"
#include "codec/sbxlet_validate.hpp"
#include "http/sse.hpp"
#include "node/api/route_parts.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

namespace sbxlet = codec::sbxlet;
namespace json = codec::json;
using codec::write_json;

constexpr std::size_t kPageDefault = 20;
// Stands in for an id that the node draws after the request was validated.
constexpr std::string_view kAnyId = "drawn";

std::size_t page_limit(const http::Request& request) {
  const std::string text = request.query_value("limit").value_or("");
  std::size_t limit = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || limit == 0) return kPageDefault;
  return std::min(limit, limits::kListPageMax);
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

Task<http::Response> healthz(ApiPtr, http::Request) { co_return raw_json(R"({"ok":true})"); }

Task<http::Response> node_status(ApiPtr api, http::Request) {
  co_return raw_json(sbxlet::encode_node_status(api->agent.report().resources));
}

Task<http::Response> create(ApiPtr api, http::Request request) {
  auto body = sbxlet::decode_create(request.body);
  if (!body) co_return failed(400, body.error());
  const bool draw = body->id.empty();
  if (draw) body->id = SandboxId(std::string(kAnyId));
  if (auto valid = sbxlet::validate_create(*body); !valid) co_return failed(400, valid.error());
  if (draw) body->id = SandboxId();
  auto created = co_await api->agent.create(*std::move(body));
  if (!created) co_return failed(400, created.error());
  json::object answer;
  answer["sandbox"] = sbxlet::sandbox_object(*created, api->facts);
  co_return ok(answer, 202);
}

Task<http::Response> list(ApiPtr api, http::Request request) {
  const std::size_t limit = page_limit(request);
  std::vector<std::string_view> items;
  std::string last;
  std::size_t seen = 0;
  api->agent.visit(request.query_value("cursor").value_or(""), limit + 1,
                   [&](const model::NodeSandbox& sandbox, Shown& shown) {
                     if (++seen > limit) return;
                     if (shown.sandbox.empty()) shown.sandbox = write_json(sbxlet::sandbox_object(sandbox, api->facts));
                     items.emplace_back(shown.sandbox);
                     last = sandbox.id.str();
                   });
  co_return raw_json(sbxlet::encode_page(items, seen > limit ? last : ""));
}

Task<http::Response> get(ApiPtr api, http::Request request) {
  const std::string& id = request.parameter("id");
  if (auto valid = sbxlet::validate_id(id); !valid) co_return failed(500, valid.error());
  const auto sandbox = api->agent.get(SandboxId(id));
  if (!sandbox) co_return sbxlet_error(404, ErrorCode::not_found, "not found");
  json::object answer;
  json::object& shown = answer["sandbox"].emplace_object();
  shown = sbxlet::sandbox_object(*sandbox, api->facts);
  const auto pulls = api->agent.pulls(SandboxId(id));
  if (!pulls.empty()) shown["pulls"] = sbxlet::pulls_array(pulls);
  co_return ok(answer);
}

Task<http::Response> statuses(ApiPtr api, http::Request request) {
  auto sent = sbxlet::decode_status_ids(request.body);
  if (!sent) co_return failed(400, sent.error());
  std::vector<std::string> ids;
  std::set<std::string> seen;
  for (const std::string& text : *sent) {
    std::string id = trimmed(text);
    if (!id.empty() && seen.insert(id).second) ids.push_back(std::move(id));
  }
  if (ids.size() > limits::kStatusIdsMax) {
    co_return sbxlet_error(400, ErrorCode::invalid_argument,
                           "too many ids (max " + std::to_string(limits::kStatusIdsMax) + ")");
  }
  std::vector<std::string_view> found;
  std::vector<SandboxId> missing;
  for (const std::string& id : ids) {
    if (auto valid = sbxlet::validate_id(id); !valid) co_return failed(500, valid.error());
    const bool is_there = api->agent.visit(SandboxId(id), [&](const model::NodeSandbox& sandbox, Shown& shown) {
      if (shown.status.empty()) shown.status = write_json(sbxlet::status_object(model::status_of(sandbox)));
      found.emplace_back(shown.status);
    });
    if (!is_there) missing.emplace_back(id);
  }
  std::sort(missing.begin(), missing.end());
  co_return raw_json(sbxlet::encode_status_batch(found, missing));
}

Task<http::Response> remove(ApiPtr api, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = sbxlet::validate_id(id); !valid) co_return failed(500, valid.error());
  const std::string wait = request.query_value("wait").value_or("true");
  if (wait != "true" && wait != "false")
    co_return sbxlet_error(400, ErrorCode::invalid_argument, "wait must be true or false, not " + wait);
  const Until until = wait == "true" ? Until::gone : Until::recorded;
  auto removed = co_await api->agent.remove(SandboxId(id), request.query_value("uid").value_or(""), until);
  if (!removed) co_return failed(500, removed.error());
  // Whoever waited was promised the end, also where the clean-up takes longer than anybody waits.
  const bool goes_on = until == Until::recorded && api->agent.get(SandboxId(id)).has_value();
  json::object answer;
  answer["id"] = id;
  answer["phase"] = goes_on ? "deleting" : "deleted";
  co_return ok(answer, goes_on ? 202 : 200);
}

Task<http::Response> reconcile(ApiPtr api, http::Request) {
  auto done = co_await api->agent.reconcile();
  if (!done) co_return failed(500, done.error());
  co_return raw_json(R"({"ok":true})");
}

class WatchBody final : public http::BodyStream {
 public:
  explicit WatchBody(std::unique_ptr<ports::NodeWatch> watch) : watch_(std::move(watch)) {}

  Task<std::optional<std::string>> next() override {
    auto first = co_await watch_->next();
    // The end of the stream is the reader's sign to open a new one.
    if (!first) co_return std::nullopt;
    std::string piece = to_text(*first);
    // What happened together goes together: a write costs both sides more than an event does.
    while (piece.size() < kPieceBytes) {
      const auto more = watch_->ready();
      if (!more) break;
      piece += to_text(*more);
    }
    co_return piece;
  }

 private:
  static constexpr std::size_t kPieceBytes = 16 * 1024;

  static std::string to_text(const ports::NodeEvent& event) {
    auto wire = sbxlet::encode_event(event);
    http::SseEvent out;
    out.event = std::move(wire.name);
    out.data = std::move(wire.data);
    return http::format_sse(out);
  }

  std::unique_ptr<ports::NodeWatch> watch_;
};

Task<http::Response> watch(ApiPtr api, http::Request) {
  auto subscribed = api->agent.subscribe();
  if (!subscribed) co_return failed(503, subscribed.error());
  http::Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_shared<WatchBody>(*std::move(subscribed));
  co_return response;
}

constexpr RouteEntry kRoutes[] = {
    {"GET", "/healthz", healthz, false},
    {"GET", "/v1/node/status", node_status},
    {"POST", "/v1/sandboxes", create},
    {"GET", "/v1/sandboxes", list},
    {"POST", "/v1/sandboxes/statuses", statuses},
    {"GET", "/v1/sandboxes/{id}", get},
    {"DELETE", "/v1/sandboxes/{id}", remove},
    {"POST", "/v1/reconcile", reconcile},
    {"GET", "/v1/watch", watch},
};

}  // namespace

http::Response sbxlet_error(int status, ErrorCode code, std::string_view message) {
  http::Response response;
  response.status = status;
  response.body = sbxlet::encode_error(message);
  response.headers.emplace_back("X-Sandboxd-Error", std::string(to_string(code)));
  return response;
}

Result<void> add_sbxlet_routes(http::Router& router, Agent& agent, sbxlet::NodeFacts facts) {
  const ApiPtr api = std::make_shared<const Api>(Api{agent, std::move(facts)});
  std::vector<RouteEntry> entries(std::begin(kRoutes), std::end(kRoutes));
  for (const auto& more :
       {life_routes(), log_routes(), command_routes(), file_routes(), attach_routes(), image_routes(), usage_routes()})
    entries.insert(entries.end(), more.begin(), more.end());
  for (const RouteEntry& entry : entries) {
    http::Route route;
    route.method = entry.method;
    route.pattern = entry.pattern;
    route.needs_auth = entry.needs_auth;
    route.body_bytes_max = entry.body_bytes_max;
    route.streams_body = entry.streams_body;
    // An ordinary function: what the coroutine needs are its parameters.
    route.handler = [api, function = entry.function](http::Request request) {
      return function(api, std::move(request));
    };
    SBX_CHECK(router.add(std::move(route)));
  }
  return {};
}

}  // namespace sandboxd::node
