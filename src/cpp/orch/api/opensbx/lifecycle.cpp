// Starting, stopping, freezing, and time to live.
#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/route_tables.hpp"

namespace sandboxd::orch::opensbx {
namespace {

using model::Phase;

http::Response conflict(std::string_view text) { return error_response(409, text); }

bool is_frozen(const model::Sandbox& sandbox) {
  return sandbox.phase == Phase::paused || sandbox.phase == Phase::pausing;
}

Task<http::Response> start(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  if (is_live(**sandbox)) co_return conflict("sandbox is already running");
  auto started = co_await context.sandboxes.start((*sandbox)->id);
  if (!started) co_return failed(started.error());
  co_return ok(started_object(**started, "started"));
}

Task<http::Response> restart(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  auto restarted = co_await context.sandboxes.restart((*sandbox)->id);
  if (!restarted) co_return failed(restarted.error());
  co_return ok(started_object(**restarted, "restarted"));
}

Task<http::Response> stop(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  if (!is_live(**sandbox)) co_return conflict("sandbox is already stopped");
  auto stopped = co_await context.sandboxes.stop((*sandbox)->id);
  if (!stopped) co_return failed(stopped.error());
  co_return ok(status_body("stopped"));
}

Task<http::Response> pause(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  if (is_frozen(**sandbox)) co_return conflict("sandbox is already paused");
  if (!is_live(**sandbox)) co_return conflict("sandbox is not running");
  auto paused = co_await context.sandboxes.pause((*sandbox)->id);
  if (!paused) co_return failed(paused.error());
  co_return ok(status_body("paused"));
}

Task<http::Response> resume(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  if (!is_frozen(**sandbox)) co_return conflict("sandbox is not paused");
  auto resumed = co_await context.sandboxes.resume((*sandbox)->id);
  if (!resumed) co_return failed(resumed.error());
  co_return ok(status_body("resumed"));
}

Task<http::Response> renew(const Context& context, http::Request request) {
  auto timeout = decode_renew(request.body);
  if (!timeout) co_return bad_request(timeout.error());
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  auto renewed = co_await context.sandboxes.renew((*sandbox)->id, *timeout);
  if (!renewed) co_return failed(renewed.error());
  codec::json::object body;
  body["status"] = "renewed";
  body["timeout"] = *timeout;
  co_return ok(body);
}

constexpr Entry kRoutes[] = {
    {"POST", "/v1/sandboxes/{id}/start", start},     {"POST", "/v1/sandboxes/{id}/stop", stop},
    {"POST", "/v1/sandboxes/{id}/restart", restart}, {"POST", "/v1/sandboxes/{id}/pause", pause},
    {"POST", "/v1/sandboxes/{id}/resume", resume},   {"POST", "/v1/sandboxes/{id}/renew-expiration", renew},
};

}  // namespace

std::span<const Entry> life_routes() { return kRoutes; }

}  // namespace sandboxd::orch::opensbx
