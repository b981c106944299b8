#include "orch/http_node_transport.hpp"

#include "codec/sbxlet.hpp"
#include "codec/sbxlet_found.hpp"
#include "http/sse.hpp"
#include "http/wire.hpp"
#include "model/host_port.hpp"

#include <utility>

namespace sandboxd::orch {
namespace {

namespace sbxlet = codec::sbxlet;

// Between the pieces of an upload, and from its end to the answer: what came is worked on there.
constexpr Duration kUploadSilence = std::chrono::minutes(10);

// A stock node answers 400 to every create that it refuses; only the words tell what may be tried again.
ErrorCode code_of_refusal(std::string_view text) {
  if (text.starts_with("insufficient ")) return ErrorCode::resource_exhausted;
  // As our node: a sandbox that has the port may be going away, another program keeps it.
  if (model::refused_host_port(text)) {
    return text.find(" (sandbox ") == std::string_view::npos ? ErrorCode::conflict : ErrorCode::resource_exhausted;
  }
  if (text.starts_with("sandbox already exists: ")) return ErrorCode::already_exists;
  if (text.starts_with("lock timeout for ")) return ErrorCode::unavailable;
  return ErrorCode::invalid_argument;
}

// Our nodes name the error in a header, since the dialect answers 400 for every refused create. A stock node does not:
// its status decides.
ErrorCode code_of(const http::ClientResponse& response, std::string_view text) {
  const auto named = response.headers.find("X-Sandboxd-Error");
  if (named != response.headers.end()) {
    if (const auto code = parse_error_code(named->second)) return *code;
  }
  switch (response.status) {
    case 400: return code_of_refusal(text);
    case 401: return ErrorCode::unauthenticated;
    case 404: return ErrorCode::not_found;
    case 409: return ErrorCode::conflict;
    case 413: return ErrorCode::too_large;
    case 429:
    case 503: return ErrorCode::unavailable;
    default: return ErrorCode::internal;
  }
}

Error node_error(const http::ClientResponse& response, const std::string& call) {
  std::string text = sbxlet::decode_error(response.body);
  const ErrorCode code = code_of(response, text);
  if (code == ErrorCode::unauthenticated) text = "the node refused the token: " + text;
  if (text.empty()) {
    text =
        call + " failed: " + std::to_string(response.status) + " " + std::string(http::reason_phrase(response.status));
  }
  return {code, std::move(text)};
}

std::string header_of(const http::ClientResponse& response, const char* name) {
  const auto found = response.headers.find(name);
  return found == response.headers.end() ? std::string() : found->second;
}

// What was asked for has come true before.
bool is_so_already(ports::LifeVerb verb, std::string_view reason) {
  if (reason == "outdated") return true;  // and what came later is so: the stream tells
  switch (verb) {
    case ports::LifeVerb::pause: return reason == "already_paused";
    case ports::LifeVerb::resume: return reason == "not_paused";
    case ports::LifeVerb::stop: return reason == "already_stopped";
    case ports::LifeVerb::start: return reason == "already_running";
  }
  return false;
}

class HttpNodeWatch final : public ports::NodeWatch {
 public:
  HttpNodeWatch(std::unique_ptr<http::ClientStream> stream, Duration silence)
      : stream_(std::move(stream)), silence_(silence) {}

  Task<Result<ports::NodeEvent>> next() override {
    for (;;) {
      if (auto event = ready()) co_return *std::move(event);
      if (broken_) co_return *broken_;
      if (parser_.overflowed()) co_return Error(ErrorCode::protocol_error, "the node sent an event that is too large");
      auto bytes = co_await stream_->next(silence_);
      if (!bytes) co_return bytes.error();
      if (!*bytes) co_return Error(ErrorCode::unavailable, "the node ended its watch stream");
      parser_.feed(**bytes);
    }
  }

  std::optional<ports::NodeEvent> ready() override {
    while (!broken_) {
      const auto event = parser_.take();
      if (!event) return std::nullopt;
      auto decoded = sbxlet::decode_event(event->event, event->data);
      if (!decoded) {
        broken_ = std::move(decoded).error();
      } else if (*decoded) {
        return *std::move(decoded);
      }
    }
    return std::nullopt;
  }

 private:
  std::unique_ptr<http::ClientStream> stream_;
  http::SseParser parser_;
  std::optional<Error> broken_;  // an event that cannot be read
  Duration silence_;
};

class HttpNodeStream final : public ports::NodeStream {
 public:
  HttpNodeStream(std::unique_ptr<http::ClientStream> stream, Duration silence)
      : stream_(std::move(stream)), silence_(silence) {}
  Task<Result<std::optional<std::string>>> next() override { return stream_->next(silence_); }

 private:
  std::unique_ptr<http::ClientStream> stream_;
  Duration silence_;
};

class Upload final : public http::BodyReader {
 public:
  explicit Upload(ports::BodySource source) : source_(std::move(source)) {}
  Task<Result<std::optional<std::string>>> next() override { return source_(); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
  ports::BodySource source_;
};

// The whole of a short answer, as far as it comes.
Task<std::string> rest_of(http::ClientStream& stream, Duration silence) {
  std::string body;
  while (body.size() < limits::kNodeAnswerBytesMax) {
    const auto bytes = co_await stream.next(silence);
    if (!bytes || !*bytes) break;
    body += **bytes;
  }
  co_return body;
}

}  // namespace

HttpNodeTransport::HttpNodeTransport(http::Client& client, std::string token, NodeCallLimits limits)
    : client_(client), token_(std::move(token)), limits_(limits) {}

http::ClientRequest HttpNodeTransport::request(const model::NodeAddress& node, std::string method,
                                               std::string target) const {
  http::ClientRequest out;
  out.host = node.ip;
  out.port = node.port;
  out.method = std::move(method);
  out.target = std::move(target);
  if (!token_.empty()) out.headers.emplace_back("Authorization", "Bearer " + token_);
  out.timeout = limits_.op;
  return out;
}

Task<Result<void>> HttpNodeTransport::create_sandbox(model::NodeAddress node, model::NodeCreateRequest request_body) {
  http::ClientRequest call = request(node, "POST", "/v1/sandboxes");
  call.headers.emplace_back("Content-Type", "application/json");
  call.body = sbxlet::encode_create(request_body);
  auto response = co_await client_.send(std::move(call));
  if (!response) co_return response.error();
  if (response->status >= 400) co_return node_error(*response, "create");
  co_return Result<void>();
}

Task<Result<void>> HttpNodeTransport::remove_sandbox(model::NodeAddress node, SandboxId id, std::string uid) {
  std::string target = "/v1/sandboxes/" + http::percent_encode(id.str());
  if (!uid.empty()) target += "?uid=" + http::percent_encode(uid);
  http::ClientRequest call = request(node, "DELETE", std::move(target));
  auto response = co_await client_.send(std::move(call));
  if (!response) co_return response.error();
  // A node calls an unknown id deleted: a 404 comes from something that is no node.
  if (response->status >= 400) co_return node_error(*response, "delete");
  co_return Result<void>();
}

Task<Result<void>> HttpNodeTransport::change_life(model::NodeAddress node, SandboxId id, std::string uid,
                                                  ports::LifeVerb verb, std::int64_t order) {
  const std::string name(ports::to_string(verb));
  std::string target = "/v1/sandboxes/" + http::percent_encode(id.str()) + "/" + name;
  target += "?uid=" + http::percent_encode(uid);
  target += "&order=" + std::to_string(order);
  // A stop takes its grace; the stream tells its end.
  if (verb == ports::LifeVerb::stop) target += "&wait=false";
  auto response = co_await client_.send(request(node, "POST", std::move(target)));
  if (!response) co_return response.error();
  if (response->status < 400) co_return Result<void>();
  if (is_so_already(verb, header_of(*response, "X-Sandboxd-Reason"))) co_return Result<void>();
  const bool is_unknown =
      (response->status == 404 || response->status == 405) && header_of(*response, "X-Sandboxd-Error").empty();
  if (is_unknown) {
    co_return Error(ErrorCode::unsupported,
                    "the node cannot " + name + " a sandbox (a stock sandboxd-o node?): use a sandboxd node");
  }
  co_return node_error(*response, name);
}

Task<Result<std::unique_ptr<ports::NodeWatch>>> HttpNodeTransport::watch(model::NodeAddress node) {
  http::ClientRequest call = request(node, "GET", "/v1/watch");
  call.headers.emplace_back("Accept", "text/event-stream");
  call.timeout = limits_.probe;
  auto stream = co_await client_.open_stream(std::move(call));
  if (!stream) co_return stream.error();
  const int status = (*stream)->status();
  if (status == 404) {
    co_return Error(ErrorCode::unsupported, "the node has no watch stream (a stock sandboxd-o node?)");
  }
  if (status == 401) {
    co_return Error(ErrorCode::unauthenticated,
                    "the node refused the token: set the same token on the control plane and on the node");
  }
  if (status != 200) {
    co_return Error(ErrorCode::unavailable, "the node answered status " + std::to_string(status) + " to a watch");
  }
  std::unique_ptr<ports::NodeWatch> watch = std::make_unique<HttpNodeWatch>(std::move(*stream), limits_.silence);
  co_return std::move(watch);
}

Task<Result<ports::NodeAnswer>> HttpNodeTransport::call(model::NodeAddress node, ports::NodeCall asked) {
  http::ClientRequest call = request(node, std::move(asked.method), std::move(asked.path));
  if (!asked.body.empty()) call.headers.emplace_back("Content-Type", "application/json");
  call.body = std::move(asked.body);
  call.body_bytes_max = asked.answer_bytes_max;
  if (asked.upload) {
    call.headers.emplace_back("Content-Type", "application/octet-stream");
    call.body_stream = std::make_shared<Upload>(std::move(asked.upload));
    call.timeout = kUploadSilence;
  }
  auto response = co_await client_.send(std::move(call));
  if (!response) co_return response.error();
  ports::NodeAnswer answer;
  answer.status = response->status;
  answer.status_text = std::to_string(response->status) + " " + std::string(http::reason_phrase(response->status));
  if (response->status >= 400) answer.code = code_of(*response, sbxlet::decode_error(response->body));
  answer.body = std::move(response->body);
  co_return answer;
}

Task<Result<std::unique_ptr<ports::NodeStream>>> HttpNodeTransport::stream(model::NodeAddress node,
                                                                           ports::NodeCall asked) {
  http::ClientRequest call = request(node, std::move(asked.method), std::move(asked.path));
  const std::string name = call.method + " " + call.target;
  call.headers.emplace_back("Accept", "text/event-stream, application/x-ndjson");
  if (!asked.body.empty()) call.headers.emplace_back("Content-Type", "application/json");
  call.body = std::move(asked.body);
  SBX_CO_TRY(opened, co_await client_.open_stream(std::move(call)));
  if (opened->status() >= 400) {
    http::ClientResponse response;
    response.status = opened->status();
    response.headers = opened->headers();
    response.body = co_await rest_of(*opened, limits_.probe);
    co_return node_error(response, name);
  }
  const std::string& type = opened->content_type();
  if (!type.starts_with("text/event-stream") && !type.starts_with("application/x-ndjson"))
    co_return Error(ErrorCode::unsupported, "the node does not stream " + name + " (a stock sandboxd-o node?)");
  co_return std::make_unique<HttpNodeStream>(std::move(opened), limits_.silence);
}

Task<Result<std::string>> HttpNodeTransport::ask(http::ClientRequest call) {
  const std::string name = call.method + " " + call.target;
  call.body_bytes_max = limits::kHttpClientBodyBytesMax;
  if (!call.body.empty()) call.headers.emplace_back("Content-Type", "application/json");
  auto response = co_await client_.send(std::move(call));
  if (!response) co_return response.error();
  if (response->status >= 400) co_return node_error(*response, name);
  co_return std::move(response->body);
}

Task<Result<void>> HttpNodeTransport::probe(model::NodeAddress node) {
  SBX_CO_TRY(body, co_await ask(request(node, "GET", "/healthz")));
  co_return sbxlet::decode_ok(body, "healthz");
}

Task<Result<model::NodeResources>> HttpNodeTransport::resources(model::NodeAddress node) {
  SBX_CO_TRY(body, co_await ask(request(node, "GET", "/v1/node/status")));
  SBX_CO_CHECK(sbxlet::decode_ok(body, "node status"));
  co_return sbxlet::decode_node_status(body);
}

Task<Result<ports::SandboxStatuses>> HttpNodeTransport::statuses(model::NodeAddress node, std::vector<SandboxId> ids) {
  http::ClientRequest call = request(node, "POST", "/v1/sandboxes/statuses");
  call.body = sbxlet::encode_status_ids(ids);
  SBX_CO_TRY(body, co_await ask(std::move(call)));
  SBX_CO_TRY(batch, sbxlet::decode_status_batch(body));
  co_return ports::SandboxStatuses{std::move(batch.items), std::move(batch.missing)};
}

Task<Result<std::optional<model::NodeSandboxStatus>>> HttpNodeTransport::find_sandbox(model::NodeAddress node,
                                                                                      SandboxId id) {
  std::optional<model::NodeSandboxStatus> out;
  auto body = co_await ask(request(node, "GET", "/v1/sandboxes/" + http::percent_encode(id.str())));
  // Any web server has a 404 of its own; only these words are a node's.
  if (!body && body.error().code() == ErrorCode::not_found && body.error().message() == "not found") co_return out;
  if (!body) co_return body.error();
  SBX_CO_TRY(found, sbxlet::decode_found(*body));
  out = std::move(found);
  co_return out;
}

Task<Result<ports::SandboxPage>> HttpNodeTransport::list_sandboxes(model::NodeAddress node, std::string cursor) {
  std::string target = "/v1/sandboxes?limit=" + std::to_string(limits::kListPageMax);
  if (!cursor.empty()) target += "&cursor=" + http::percent_encode(cursor);
  SBX_CO_TRY(body, co_await ask(request(node, "GET", std::move(target))));
  SBX_CO_TRY(page, sbxlet::decode_found_page(body));
  co_return ports::SandboxPage{std::move(page.items), std::move(page.next_cursor)};
}

Task<Result<void>> HttpNodeTransport::reconcile(model::NodeAddress node) {
  SBX_CO_TRY(body, co_await ask(request(node, "POST", "/v1/reconcile")));
  co_return sbxlet::decode_ok(body, "reconcile");
}

}  // namespace sandboxd::orch
