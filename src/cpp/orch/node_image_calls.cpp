#include "orch/node_image_calls.hpp"

#include "aio/deadline.hpp"
#include "codec/sbxlet.hpp"
#include "codec/sbxlet_images.hpp"
#include "orch/sse_reader.hpp"

#include <utility>

namespace sandboxd::orch {
namespace {

namespace sbxlet = codec::sbxlet;

constexpr Duration kQuick = std::chrono::seconds(10);
constexpr Duration kRemoval = std::chrono::minutes(3);  // it waits for the disk space to be free
constexpr Duration kImport = std::chrono::hours(2);     // however slowly its bytes come

Task<Result<std::string>> ask(ports::NodeTransport* transport, ports::Clock* clock, model::NodeAddress node,
                              ports::NodeCall call, Duration limit) {
  const bool is_images = call.path.starts_with("/v1/images");
  auto answer = co_await aio::with_deadline(*clock, limit, transport->call(std::move(node), std::move(call)),
                                            "the node's answer");
  if (!answer) co_return answer.error();
  if (answer->status < 400) co_return std::move(answer->body);
  std::string text = sbxlet::decode_error(answer->body);
  if (text.empty()) text = answer->status_text;
  // Of the list itself: what answers is a node without these routes.
  if (is_images && answer->status == 404 && answer->code == ErrorCode::not_found && text.find("image") == text.npos)
    co_return Error(ErrorCode::unsupported, "the node has no image routes (a stock sandboxd-o node?)");
  co_return Error(answer->code, std::move(text));
}

ports::NodeCall call_of(std::string method, std::string path) {
  ports::NodeCall call;
  call.method = std::move(method);
  call.path = std::move(path);
  return call;
}

}  // namespace

Task<Result<std::vector<model::Image>>> NodeImageCalls::list(model::NodeAddress node) const {
  auto body = co_await ask(transport_, clock_, std::move(node), call_of("GET", "/v1/images"), kQuick);
  if (!body) co_return body.error();
  co_return sbxlet::decode_images(*body);
}

Task<Result<model::Image>> NodeImageCalls::pull(model::NodeAddress node, std::string image,
                                                std::optional<model::RegistryCredentials> credentials,
                                                PullObserver tell) const {
  // As a stream also where nobody watches: its progress is the sign that the node is alive, however long it takes.
  ports::NodeCall call = call_of("POST", "/v1/images/pull?progress=true");
  call.body = sbxlet::encode_pull({std::move(image), std::move(credentials)});
  SBX_CO_TRY(stream, co_await transport_->stream(std::move(node), std::move(call)));
  SseReader events;
  for (;;) {
    SBX_CO_TRY(bytes, co_await stream->next());
    if (!bytes) co_return Error(ErrorCode::unavailable, "the node ended the pull's stream");
    events.feed(*bytes);
    while (const auto event = events.take()) {
      SBX_CO_TRY(said, sbxlet::decode_pull_event(event->name, event->data));
      if (!said) continue;
      if (const auto* progress = std::get_if<model::PullProgress>(&*said)) {
        if (tell) tell(*progress);
      } else if (auto* done = std::get_if<model::Image>(&*said)) {
        co_return std::move(*done);
      } else {
        co_return std::get<sbxlet::PullFailed>(*said).error;
      }
    }
  }
}

Task<Result<bool>> NodeImageCalls::remove(model::NodeAddress node, std::string reference, bool force) const {
  std::string path = "/v1/images?reference=" + encode_segment(reference) + (force ? "&force=true" : "");
  auto body = co_await ask(transport_, clock_, std::move(node), call_of("DELETE", std::move(path)), kRemoval);
  if (!body) co_return body.error();
  co_return true;
}

Task<Result<model::Image>> NodeImageCalls::import(model::NodeAddress node, std::string query,
                                                  ports::BodySource archive) const {
  ports::NodeCall call = call_of("POST", "/v1/images/import" + query);
  call.upload = std::move(archive);
  auto body = co_await ask(transport_, clock_, std::move(node), std::move(call), kImport);
  if (!body) co_return body.error();
  co_return sbxlet::decode_image(*body);
}

Task<Result<model::SandboxUsage>> NodeImageCalls::usage(model::NodeAddress node, SandboxId id) const {
  auto call = call_of("GET", "/v1/sandboxes/" + encode_segment(id.str()) + "/usage");
  auto body = co_await ask(transport_, clock_, std::move(node), std::move(call), kQuick);
  if (!body) co_return body.error();
  co_return sbxlet::decode_usage(*body);
}

std::string import_query(const ImportImage& request) {
  std::string query = "?format=";
  query += request.kind == model::ArchiveKind::rootfs ? "rootfs" : "image";
  const auto add = [&query](const char* name, const std::string& value) {
    query += std::string("&") + name + "=" + encode_segment(value);
  };
  if (!request.reference.empty()) add("reference", request.reference);
  if (request.kind == model::ArchiveKind::image) return query;
  for (const std::string& word : request.rootfs.entrypoint) add("entrypoint", word);
  for (const std::string& word : request.rootfs.command) add("command", word);
  for (const std::string& variable : request.rootfs.env) add("env", variable);
  if (!request.rootfs.work_dir.empty()) add("workDir", request.rootfs.work_dir);
  if (!request.rootfs.user.empty()) add("user", request.rootfs.user);
  return query;
}

}  // namespace sandboxd::orch
