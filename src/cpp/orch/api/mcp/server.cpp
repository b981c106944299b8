#include "orch/api/mcp/server.hpp"

#include "base/endpoint.hpp"
#include "http/sse.hpp"
#include "http/target.hpp"
#include "http/text.hpp"
#include "orch/api/mcp/rpc.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace sandboxd::orch::mcp {
namespace {

namespace json = codec::json;

constexpr std::string_view kSessionHeader = "Mcp-Session-Id";
constexpr std::string_view kVersionHeader = "Mcp-Protocol-Version";

http::Response plain(int status, std::string text) {
  http::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  return response;
}

http::Response bare(int status) {
  http::Response response;
  response.status = status;
  response.content_type.clear();
  return response;
}

// Whether an Accept header covers this type; its weights are of no interest.
bool accepts(std::string_view header, std::string_view type, std::string_view family) {
  while (!header.empty()) {
    const std::size_t comma = header.find(',');
    std::string_view item = header.substr(0, std::min(comma, header.find(';')));
    header.remove_prefix(comma == std::string_view::npos ? header.size() : comma + 1);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (item == "*/*" || http::equals_ignoring_case(item, type) || http::equals_ignoring_case(item, family))
      return true;
  }
  return false;
}
bool accepts_json(std::string_view header) { return accepts(header, "application/json", "application/*"); }
bool accepts_events(std::string_view header) { return accepts(header, "text/event-stream", "text/*"); }

bool is_own_name(std::string_view host_header) {
  constexpr int kAnyPort = 80;
  const auto authority = http::parse_authority(host_header, kAnyPort);
  return authority && (authority->host == "localhost" || is_loopback(authority->host));
}

// Nothing but comments, until the session ends.
class Silence final : public http::BodyStream {
 public:
  Silence(ports::Clock& clock, SessionRef session, Duration interval)
      : clock_(clock), session_(std::move(session)), busy_(session_), interval_(interval) {
    session_->has_stream = true;
  }
  ~Silence() override { session_->has_stream = false; }

  Task<std::optional<std::string>> next() override {
    if (!has_begun_) {
      has_begun_ = true;
      co_return http::sse_keep_alive();
    }
    if (!session_->is_over) co_await clock_.sleep_until(clock_.mono_now() + interval_);
    if (session_->is_over) co_return std::nullopt;
    co_return http::sse_keep_alive();
  }

 private:
  ports::Clock& clock_;
  SessionRef session_;
  Busy busy_;
  Duration interval_;
  bool has_begun_ = false;
};

void take_notice(Session& session, const Message& message) {
  if (message.method == "notifications/initialized") session.is_initialized = true;
  const auto found = session.calls.find(cancelled_key(message));
  if (found == session.calls.end()) return;
  const auto call = found->second;
  call->cancel();
}

}  // namespace

McpServer::McpServer(std::shared_ptr<const Offer> offer, boost::asio::any_io_executor executor, ports::Clock& clock,
                     std::function<std::string()> new_id, McpOptions options)
    : offer_(std::move(offer)),
      calls_(std::make_shared<Calls>(std::move(executor))),
      clock_(clock),
      options_(options),
      sessions_(std::move(new_id), options_.sessions_max, options_.idle_max) {}

Task<void> McpServer::stop() { return calls_->stop(); }

Result<void> McpServer::add_routes(http::Router& router, std::string_view path) {
  for (const std::string& pattern : {std::string(path), std::string(path) + "/{rest...}"}) {
    http::Route route;
    route.method = http::kAnyMethod;
    route.pattern = pattern;
    route.handler = [self = shared_from_this()](http::Request request) { return handle(self, std::move(request)); };
    SBX_CHECK(router.add(std::move(route)));
  }
  return {};
}

Task<http::Response> McpServer::handle(std::shared_ptr<McpServer> self, http::Request request) {
  const std::string_view host = request.header("Host");
  if (self->options_.own_names_only && is_loopback(request.peer_address) && !is_own_name(host)) {
    co_return plain(403, "Forbidden: invalid Host header \"" + std::string(host) + "\"");
  }
  if (request.method == "POST") {
    auto posted = co_await post(self, std::move(request));
    co_return posted;
  }
  if (request.method == "GET") co_return self->get(request);
  if (request.method == "DELETE") co_return self->remove(request);
  http::Response refusal =
      plain(405, "Method Not Allowed: streamable MCP servers support GET, POST, and DELETE requests");
  refusal.headers.emplace_back("Allow", "GET, POST, DELETE");
  co_return refusal;
}

Result<SessionRef> McpServer::session_of(const http::Request& request) {
  const std::string id(request.header(kSessionHeader));
  if (id.empty()) return SessionRef();
  SessionRef session = sessions_.find(id, clock_.mono_now());
  if (!session) return Error(ErrorCode::not_found, "session not found");
  return session;
}

Task<http::Response> McpServer::post(std::shared_ptr<McpServer> self, http::Request request) {
  if (request.header("Content-Type") != "application/json") {
    co_return plain(415, "Content-Type must be 'application/json'");
  }
  const std::string_view accept = request.header("Accept");
  if (!accepts_json(accept) || !accepts_events(accept)) {
    co_return plain(400, "Accept must contain both 'application/json' and 'text/event-stream'");
  }
  auto session = self->session_of(request);
  if (!session) co_return plain(404, session.error().message());
  const std::string_view said = request.header(kVersionHeader);
  if (!said.empty() && !is_known_version(said)) {
    co_return plain(400, "Bad Request: Unsupported protocol version \"" + std::string(said) + "\"");
  }
  const std::string version(said.empty() ? kVersionOfOldClients : said);
  auto messages = parse_messages(request.body, version);
  if (!messages) co_return plain(400, messages.error().message());

  std::vector<Message> requests;
  bool is_hello = false;
  for (Message& message : *messages) {
    if (*session) take_notice(**session, message);
    is_hello |= message.method == "initialize";
    if (message.kind == MessageKind::request) requests.push_back(std::move(message));
  }
  if (requests.empty()) co_return bare(202);
  if (is_hello && *session) co_return plain(400, "this session is initialized already");
  http::Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-cache, no-transform");
  if (is_hello) {
    const json::value* wanted = requests.front().params.if_contains("protocolVersion");
    if (wanted == nullptr || !wanted->is_string()) co_return plain(400, "initialize needs a protocolVersion");
    const std::string wanted_version(wanted->get_string());
    session = self->sessions_.open(version_for(wanted_version), self->clock_.mono_now());
    if (!session) co_return plain(503, session.error().message());
    response.headers.emplace_back(kSessionHeader, (*session)->id);
  }
  response.stream = std::make_shared<Answers>(self->offer_, self->calls_, self->clock_, *session, std::move(requests),
                                              self->options_.intervals);
  co_return response;
}

http::Response McpServer::get(const http::Request& request) {
  if (!accepts_events(request.header("Accept")))
    return plain(400, "Accept must contain 'text/event-stream' for GET requests");
  const auto session = session_of(request);
  if (!session) return plain(404, session.error().message());
  if (!*session) return plain(400, "GET requires an active session");
  if ((*session)->has_stream) return plain(409, "Conflict: this session has a stream already");
  http::Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-cache, no-transform");
  response.stream = std::make_shared<Silence>(clock_, *session, options_.intervals.keep_alive);
  return response;
}

http::Response McpServer::remove(const http::Request& request) {
  const auto session = session_of(request);
  if (!session) return plain(404, session.error().message());
  if (!*session) return plain(400, "Bad Request: DELETE requires an Mcp-Session-Id header");
  sessions_.end((*session)->id);
  return bare(204);
}

}  // namespace sandboxd::orch::mcp
