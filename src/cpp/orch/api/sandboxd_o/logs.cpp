// What the containers of a sandbox print: whole, a part of it, or as it comes. The node that has the sandbox answers.
#include "codec/sbxlet.hpp"
#include "http/sse.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/queries.hpp"
#include "orch/api/sandboxd_o/route_parts.hpp"
#include "orch/api/sandboxd_o/validate.hpp"

#include <optional>
#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

class PassedBody final : public http::BodyStream {
 public:
  explicit PassedBody(std::unique_ptr<ports::NodeStream> stream) : stream_(std::move(stream)) {}

  Task<std::optional<std::string>> next() override {
    if (!stream_) co_return std::nullopt;
    auto bytes = co_await stream_->next();
    if (bytes) co_return *std::move(bytes);
    stream_.reset();
    http::SseEvent last;
    last.event = "error";
    last.data = codec::sbxlet::encode_error(bytes.error().message());
    // What came before may have been cut in the middle of an event.
    co_return "\n\n" + http::format_sse(last);
  }

 private:
  std::unique_ptr<ports::NodeStream> stream_;
};

Task<http::Response> answer(SandboxService& service, http::Request request, std::string container) {
  const std::string id = request.parameter("id");
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  std::string query = passed_log_query(request);
  if (is_following(request)) {
    auto stream = co_await service.follow_logs(SandboxId(id), std::move(container), std::move(query));
    if (!stream) co_return error_response(stream.error());
    co_return streamed(*std::move(stream));
  }
  auto logs = co_await service.logs(SandboxId(id), std::move(container), std::move(query));
  if (!logs) co_return error_response(logs.error());
  co_return raw_json(*std::move(logs));
}

Task<http::Response> sandbox_logs(SandboxService& service, http::Request request) {
  return answer(service, std::move(request), "");
}

Task<http::Response> container_logs(SandboxService& service, http::Request request) {
  std::string container = request.parameter("container");
  return answer(service, std::move(request), std::move(container));
}

constexpr Entry kRoutes[] = {
    {"GET", "/api/v1/sandboxes/{id}/logs", sandbox_logs},
    {"GET", "/api/v1/sandboxes/{id}/containers/{container}/logs", container_logs},
};

}  // namespace

http::Response streamed(std::unique_ptr<ports::NodeStream> stream) {
  http::Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_shared<PassedBody>(std::move(stream));
  return response;
}

std::span<const Entry> log_routes() { return kRoutes; }

}  // namespace sandboxd::orch::sandboxd_o
