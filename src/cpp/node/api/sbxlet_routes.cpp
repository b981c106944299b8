#include "node/api/sbxlet_routes.hpp"

#include "base/limits.hpp"
#include "codec/cri_log.hpp"
#include "codec/sbxlet_validate.hpp"
#include "http/sse.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>
#include <utility>

namespace sandboxd::node {
namespace {

namespace sbxlet = codec::sbxlet;
namespace json = codec::json;

constexpr std::size_t kPageDefault = 20;
// Stands in for an id that the node draws after the request was validated.
constexpr std::string_view kAnyId = "drawn";

struct Api {
  Agent& agent;
  sbxlet::NodeFacts facts;
};
using ApiPtr = std::shared_ptr<const Api>;

http::Response ok(const json::object& body, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = codec::write_json(body);
  return response;
}

http::Response raw_json(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

http::Response failed(int status, const Error& error) { return sbxlet_error(status, error.code(), error.message()); }

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
  auto page = api->agent.list(request.query_value("cursor").value_or(""), limit + 1);
  const bool more = page.size() > limit;
  if (more) page.pop_back();
  json::array items;
  for (const auto& sandbox : page) items.push_back(sbxlet::sandbox_object(sandbox, api->facts));
  json::object answer;
  answer["items"] = std::move(items);
  if (more) answer["next_cursor"] = page.back().id.str();
  co_return ok(answer);
}

Task<http::Response> get(ApiPtr api, http::Request request) {
  const std::string& id = request.parameter("id");
  if (auto valid = sbxlet::validate_id(id); !valid) co_return failed(500, valid.error());
  const auto sandbox = api->agent.get(SandboxId(id));
  if (!sandbox) co_return sbxlet_error(404, ErrorCode::not_found, "not found");
  json::object answer;
  answer["sandbox"] = sbxlet::sandbox_object(*sandbox, api->facts);
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
  sbxlet::StatusBatch batch;
  for (const std::string& id : ids) {
    if (auto valid = sbxlet::validate_id(id); !valid) co_return failed(500, valid.error());
    if (auto status = api->agent.status(SandboxId(id))) {
      batch.items.push_back(*std::move(status));
    } else {
      batch.missing.emplace_back(id);
    }
  }
  std::sort(batch.missing.begin(), batch.missing.end());
  co_return raw_json(sbxlet::encode_status_batch(batch));
}

Task<http::Response> remove(ApiPtr api, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = sbxlet::validate_id(id); !valid) co_return failed(500, valid.error());
  auto removed = co_await api->agent.remove(SandboxId(id), request.query_value("uid").value_or(""));
  if (!removed) co_return failed(500, removed.error());
  json::object answer;
  answer["id"] = id;
  answer["phase"] = "deleted";
  co_return ok(answer);
}

http::Response log_failure(const Error& error) {
  if (error.code() == ErrorCode::not_found) return sbxlet_error(404, error.code(), "logs not found");
  if (error.code() == ErrorCode::too_large) return sbxlet_error(413, error.code(), "logs too large");
  return sbxlet_error(500, error.code(), "failed to read logs");
}

json::object lines_object(const std::vector<std::string>& lines) {
  json::array items(lines.begin(), lines.end());
  json::object logs;
  logs["lines"] = std::move(items);
  return logs;
}

Task<http::Response> container_logs(ApiPtr api, http::Request request) {
  const SandboxId id(request.parameter("id"));
  const std::string container = request.parameter("container");
  if (!sbxlet::validate_id(id.str())) co_return sbxlet_error(500, ErrorCode::invalid_argument, "failed to read logs");
  auto lines = co_await api->agent.log(id, container);
  if (!lines) co_return log_failure(lines.error());
  json::object answer;
  answer["sandbox_id"] = id.str();
  answer["container"] = container;
  answer["logs"] = lines_object(*lines);
  co_return ok(answer);
}

Task<http::Response> sandbox_logs(ApiPtr api, http::Request request) {
  const SandboxId id(request.parameter("id"));
  if (!sbxlet::validate_id(id.str())) co_return sbxlet_error(500, ErrorCode::invalid_argument, "failed to read logs");
  const auto sandbox = api->agent.get(id);
  if (!sandbox) co_return sbxlet_error(404, ErrorCode::not_found, "logs not found");
  std::vector<codec::ContainerLines> all;
  std::size_t bytes = 0;
  for (const auto& container : sandbox->containers) {
    auto lines = co_await api->agent.log(id, container.name);
    if (!lines) co_return log_failure(lines.error());
    for (const std::string& line : *lines) bytes += line.size() + 1;
    if (bytes > limits::kLogSandboxBytesMax) co_return sbxlet_error(413, ErrorCode::too_large, "logs too large");
    all.push_back({container.name, *std::move(lines)});
  }
  json::object answer;
  answer["sandbox_id"] = id.str();
  answer["logs"] = lines_object(codec::merge_lines(std::move(all)));
  co_return ok(answer);
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

using Function = Task<http::Response> (*)(ApiPtr, http::Request);

struct Entry {
  const char* method;
  const char* pattern;
  Function function;
  bool needs_auth = true;
};

constexpr Entry kRoutes[] = {
    {"GET", "/healthz", healthz, false},
    {"GET", "/v1/node/status", node_status},
    {"POST", "/v1/sandboxes", create},
    {"GET", "/v1/sandboxes", list},
    {"POST", "/v1/sandboxes/statuses", statuses},
    {"GET", "/v1/sandboxes/{id}", get},
    {"DELETE", "/v1/sandboxes/{id}", remove},
    {"GET", "/v1/sandboxes/{id}/logs", sandbox_logs},
    {"GET", "/v1/sandboxes/{id}/containers/{container}/logs", container_logs},
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
  for (const Entry& entry : kRoutes) {
    http::Route route;
    route.method = entry.method;
    route.pattern = entry.pattern;
    route.needs_auth = entry.needs_auth;
    // An ordinary function: what the coroutine needs are its parameters.
    route.handler = [api, function = entry.function](http::Request request) {
      return function(api, std::move(request));
    };
    SBX_CHECK(router.add(std::move(route)));
  }
  return {};
}

}  // namespace sandboxd::node
