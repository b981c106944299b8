// Pausing, resuming, stopping and starting again: our additions to the node's API.
#include "codec/sbxlet_validate.hpp"
#include "node/api/route_parts.hpp"

#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace sandboxd::node {
namespace {

namespace sbxlet = codec::sbxlet;

constexpr std::int64_t kGraceMax = 3600;

int status_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::not_found: return 404;
    case ErrorCode::conflict:
    case ErrorCode::resource_exhausted: return 409;
    case ErrorCode::invalid_argument: return 400;
    case ErrorCode::unavailable: return 503;
    default: return 500;
  }
}

http::Response refused(const Error& error) {
  http::Response response = failed(status_for(error.code()), error);
  if (!error.reasons().empty()) response.headers.emplace_back("X-Sandboxd-Reason", error.reasons().front());
  return response;
}

struct Asked {
  SandboxId id;
  LifeAsk ask;
};

Result<std::int64_t> read_number(const http::Request& request, const char* name, std::int64_t most) {
  const auto text = request.query_value(name);
  if (!text) return std::int64_t{0};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error == std::errc() && end == text->data() + text->size() && number >= 0 && number <= most) return number;
  return Error(ErrorCode::invalid_argument,
               std::string(name) + " must be a number from 0 to " + std::to_string(most) + ", not " + *text);
}

Result<Asked> read(const http::Request& request) {
  Asked asked;
  const std::string& id = request.parameter("id");
  SBX_CHECK(sbxlet::validate_id(id));
  asked.id = SandboxId(id);
  asked.ask.uid = request.query_value("uid").value_or("");
  const std::string wait = request.query_value("wait").value_or("true");
  if (wait != "true" && wait != "false")
    return Error(ErrorCode::invalid_argument, "wait must be true or false, not " + wait);
  if (wait == "false") asked.ask.until = Until::recorded;
  SBX_TRY(order, read_number(request, "order", std::numeric_limits<std::int64_t>::max()));
  asked.ask.order = order;
  SBX_TRY(grace, read_number(request, "grace_seconds", kGraceMax));
  if (request.query_value("grace_seconds")) asked.ask.grace = std::chrono::seconds(grace);
  return asked;
}

// 200 once it is so, 202 while the work goes on.
http::Response answer(const Api& api, const Result<model::NodeSandbox>& sandbox, model::Phase goal) {
  if (!sandbox) return refused(sandbox.error());
  codec::json::object body;
  body["sandbox"] = sbxlet::sandbox_object(*sandbox, api.facts);
  return ok(body, sandbox->phase == goal ? 200 : 202);
}

Task<http::Response> pause(ApiPtr api, http::Request request) {
  const auto asked = read(request);
  if (!asked) co_return refused(asked.error());
  co_return answer(*api, co_await api->agent.pause(asked->id, asked->ask), model::Phase::paused);
}

Task<http::Response> resume(ApiPtr api, http::Request request) {
  const auto asked = read(request);
  if (!asked) co_return refused(asked.error());
  co_return answer(*api, co_await api->agent.resume(asked->id, asked->ask), model::Phase::running);
}

Task<http::Response> stop(ApiPtr api, http::Request request) {
  const auto asked = read(request);
  if (!asked) co_return refused(asked.error());
  co_return answer(*api, co_await api->agent.stop(asked->id, asked->ask), model::Phase::stopped);
}

Task<http::Response> start(ApiPtr api, http::Request request) {
  const auto asked = read(request);
  if (!asked) co_return refused(asked.error());
  co_return answer(*api, co_await api->agent.start(asked->id, asked->ask), model::Phase::running);
}

constexpr RouteEntry kRoutes[] = {
    {"POST", "/v1/sandboxes/{id}/pause", pause},
    {"POST", "/v1/sandboxes/{id}/resume", resume},
    {"POST", "/v1/sandboxes/{id}/stop", stop},
    {"POST", "/v1/sandboxes/{id}/start", start},
};

}  // namespace

std::span<const RouteEntry> life_routes() { return kRoutes; }

}  // namespace sandboxd::node
