// Starting, stopping, freezing, and time to live.
#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/route_tables.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

using model::Phase;

// Above the time that a workload gets to end by itself.
constexpr Duration kLimit = std::chrono::seconds(60);
// A hundred years, which creates are held to as well: more would overflow, as it does in the original.
constexpr std::int64_t kTimeoutMax = std::int64_t{100} * 365 * 24 * 3600;

struct Text {
  std::string_view reason;  // the control plane's
  const char* message;      // the original's
};
constexpr Text kTexts[] = {
    {"already_running", "sandbox is already running"}, {"already_stopped", "sandbox is already stopped"},
    {"already_paused", "sandbox is already paused"},   {"not_paused", "sandbox is not paused"},
    {"not_running", "sandbox is not running"},
};

http::Response refused(const Error& error) {
  for (const std::string& reason : error.reasons()) {
    for (const Text& text : kTexts) {
      if (error.code() == ErrorCode::conflict && reason == text.reason) return error_response(409, text.message);
    }
  }
  return failed(error);
}

using Verb = Task<Result<SandboxRef>> (SandboxService::*)(SandboxId);

// Asks for it, and waits until it is so.
Task<Result<SandboxRef>> bring(const Context& context, const http::Request& request, Verb verb, Phase phase) {
  SBX_CO_TRY(sandbox, co_await found(context, request));
  SBX_CO_TRY(asked, co_await (context.sandboxes.*verb)(sandbox->id));
  SBX_CO_TRY(now, co_await context.sandboxes.wait_phase(asked->id, std::set{phase, Phase::failed}, kLimit));
  if (now->phase == phase) co_return now;
  co_return Error(ErrorCode::internal, now->last_error);
}

Task<http::Response> start(const Context& context, http::Request request) {
  auto started = co_await bring(context, request, &SandboxService::start, Phase::running);
  if (!started) co_return refused(started.error());
  co_return ok(started_object(**started, "started"));
}

Task<http::Response> restart(const Context& context, http::Request request) {
  auto restarted = co_await bring(context, request, &SandboxService::restart, Phase::running);
  if (!restarted) co_return refused(restarted.error());
  co_return ok(started_object(**restarted, "restarted"));
}

Task<http::Response> stop(const Context& context, http::Request request) {
  auto stopped = co_await bring(context, request, &SandboxService::stop, Phase::stopped);
  if (!stopped) co_return refused(stopped.error());
  co_return ok(status_body("stopped"));
}

Task<http::Response> pause(const Context& context, http::Request request) {
  auto paused = co_await bring(context, request, &SandboxService::pause, Phase::paused);
  if (!paused) co_return refused(paused.error());
  co_return ok(status_body("paused"));
}

Task<http::Response> resume(const Context& context, http::Request request) {
  auto resumed = co_await bring(context, request, &SandboxService::resume, Phase::running);
  if (!resumed) co_return refused(resumed.error());
  co_return ok(status_body("resumed"));
}

Task<http::Response> renew(const Context& context, http::Request request) {
  auto timeout = decode_renew(request.body);
  if (!timeout) co_return bad_request(timeout.error());
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  auto renewed = co_await context.sandboxes.renew((*sandbox)->id, std::min(*timeout, kTimeoutMax));
  if (!renewed) co_return refused(renewed.error());
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
