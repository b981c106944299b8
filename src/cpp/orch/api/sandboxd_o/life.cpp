// Our additions: what is wanted of a sandbox that exists. The answer says what was there when the wish was durable; the
// watch stream, or another look, says when it has come true.
#include "codec/json.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/route_parts.hpp"
#include "orch/api/sandboxd_o/validate.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

using Verb = Task<Result<SandboxRef>> (SandboxService::*)(SandboxId);

http::Response answer(const Result<SandboxRef>& sandbox) {
  if (sandbox) return raw_json(envelope("sandbox", sandbox_object(**sandbox)), 202);
  http::Response response = service_error(sandbox.error());
  if (sandbox.error().code() == ErrorCode::conflict && !sandbox.error().reasons().empty())
    response.headers.emplace_back("X-Sandboxd-Reason", sandbox.error().reasons().front());
  return response;
}

Task<http::Response> change(SandboxService& service, std::string id, Verb verb) {
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  co_return answer(co_await (service.*verb)(SandboxId(std::move(id))));
}

Task<http::Response> pause(SandboxService& service, http::Request request) {
  return change(service, request.parameter("id"), &SandboxService::pause);
}
Task<http::Response> resume(SandboxService& service, http::Request request) {
  return change(service, request.parameter("id"), &SandboxService::resume);
}
Task<http::Response> stop(SandboxService& service, http::Request request) {
  return change(service, request.parameter("id"), &SandboxService::stop);
}
Task<http::Response> start(SandboxService& service, http::Request request) {
  return change(service, request.parameter("id"), &SandboxService::start);
}
Task<http::Response> restart(SandboxService& service, http::Request request) {
  return change(service, request.parameter("id"), &SandboxService::restart);
}

Result<std::int64_t> decode_renew(const std::string& body) {
  SBX_TRY(document, codec::read_json(body, {}));
  codec::ReadErrors errors({});
  const codec::Reader in(document, errors);
  std::int64_t seconds = 0;
  in.require("ttl_seconds", seconds);
  SBX_CHECK(errors.status());
  return seconds;
}

Task<http::Response> renew(SandboxService& service, http::Request request) {
  const std::string id = request.parameter("id");
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  const auto seconds = decode_renew(request.body);
  if (!seconds) co_return error_response(400, seconds.error().message());
  co_return answer(co_await service.renew(SandboxId(id), *seconds));
}

constexpr Entry kRoutes[] = {
    {"POST", "/api/v1/sandboxes/{id}/pause", pause},     {"POST", "/api/v1/sandboxes/{id}/resume", resume},
    {"POST", "/api/v1/sandboxes/{id}/stop", stop},       {"POST", "/api/v1/sandboxes/{id}/start", start},
    {"POST", "/api/v1/sandboxes/{id}/restart", restart}, {"POST", "/api/v1/sandboxes/{id}/renew", renew},
};

}  // namespace

std::span<const Entry> life_routes() { return kRoutes; }

}  // namespace sandboxd::orch::sandboxd_o
