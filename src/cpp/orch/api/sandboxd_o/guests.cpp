#include "orch/api/sandboxd_o/guests.hpp"

#include "http/web_socket.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/validate.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

constexpr std::string_view kPrefix = "/api/v1/sandboxes/";
// A command may be quiet for as long as it likes; a node that dies ends the connection.
constexpr Duration kQuiet = std::chrono::hours(24 * 30);
constexpr std::size_t kBodyBytesMax = std::size_t{16} << 30;  // files are bounded by the sandbox's disk

constexpr std::size_t kShortBytes = 16 * 1024;

struct GuestRoute {
  const char* method;
  const char* rest;             // behind /api/v1/sandboxes/{id}
  bool is_interactive = false;  // the node wants each piece of the body when it comes
};

constexpr auto kRoutes = std::to_array<GuestRoute>({
    {"POST", "/exec"},
    {"POST", "/commands"},
    {"GET", "/commands"},
    {"GET", "/commands/{command}"},
    {"DELETE", "/commands/{command}"},
    {"POST", "/commands/{command}/signal"},
    {"POST", "/commands/{command}/resize"},
    {"POST", "/commands/{command}/stdin", true},
    {"GET", "/commands/{command}/output"},
    {"GET", "/commands/{command}/attach"},
    {"GET", "/files"},
    {"PUT", "/files"},
    {"DELETE", "/files"},
    {"GET", "/files/stat"},
    {"GET", "/files/list"},
    {"GET", "/files/watch"},
    {"POST", "/files/mkdir"},
    {"POST", "/files/rename"},
    {"GET", "/files/archive"},
    {"PUT", "/files/archive"},
    {"GET", "/listening"},
    {"GET", "/processes"},
});

// The same request at the node. The rest of the path goes on as it was sent: it matched a route.
std::string node_target(const http::Request& request) {
  const std::string_view sent = std::string_view(request.target).substr(kPrefix.size());
  const std::size_t rest = sent.find('/');
  return "/v1/sandboxes/" + http::percent_encode(request.parameter("id")) + std::string(sent.substr(rest));
}

void copy_header(const http::Headers& from, const char* name, std::vector<std::pair<std::string, std::string>>& to) {
  const auto found = from.find(name);
  if (found != from.end()) to.emplace_back(name, found->second);
}

http::ClientRequest at_node(const NodeDoor& nodes, const model::NodeAddress& address, const http::Request& request) {
  http::ClientRequest out = nodes.request(address, request.method, node_target(request));
  for (const char* name : {"Content-Type", "Accept"}) copy_header(request.headers, name, out.headers);
  out.timeout = kQuiet;
  return out;
}

http::Response answer_of(std::unique_ptr<http::ClientStream> stream) {
  http::Response response;
  response.status = stream->status();
  response.content_type = stream->content_type();
  for (const char* name : {"X-Sandboxd-Error", "Retry-After", "X-File-Mode", "X-File-Size", "Cache-Control"})
    copy_header(stream->headers(), name, response.headers);
  if (response.status == 204) return response;
  if (auto whole = stream->take_whole()) {
    response.body = *std::move(whole);
    return response;
  }
  response.stream_length = stream->length();
  response.stream = http::pass_on(std::move(stream), kQuiet);
  return response;
}

// A short body goes to the node in one piece with its header.
Task<Result<void>> put_body(http::ClientRequest* call, std::shared_ptr<http::BodyReader> body, bool is_interactive) {
  if (is_interactive || body->length().value_or(kShortBytes + 1) > kShortBytes) {
    call->body_stream = std::move(body);
    co_return Result<void>();
  }
  for (;;) {
    SBX_CO_TRY(piece, co_await body->next());
    if (!piece) co_return Result<void>();
    call->body += *piece;
  }
}

Task<http::Response> pass(SandboxService& service, std::shared_ptr<const NodeDoor> door, http::Request request,
                          bool is_interactive) {
  const NodeDoor& nodes = *door;
  const std::string id = request.parameter("id");
  if (auto valid = validate_id(id, "sandbox id is required"); !valid) co_return invalid_input(valid.error());
  auto node = co_await service.node_of(SandboxId(id));
  if (!node) co_return error_response(node.error());
  http::ClientRequest call = at_node(nodes, (*node)->address, request);
  if (http::wants_web_socket(request)) {
    auto socket = co_await nodes.client.open_web_socket(std::move(call), http::WebSocketOptions{});
    if (!socket) co_return error_response(socket.error());
    co_return http::accept_web_socket(
        std::move(request),
        [inner = *std::move(socket)](std::shared_ptr<http::WebSocket> outer) {
          return http::join_web_sockets(std::move(outer), inner);
        },
        http::WebSocketOptions{});
  }
  const bool has_body = request.body_reader && request.body_reader->length() != 0;
  if (has_body) {
    const auto put = co_await put_body(&call, request.body_reader, is_interactive);
    if (!put) co_return error_response(put.error());
  }
  auto stream = co_await nodes.client.open_stream(std::move(call));
  if (!stream) co_return error_response(stream.error());
  co_return answer_of(*std::move(stream));
}

}  // namespace

Result<void> add_guest_routes(http::Router& router, SandboxService& service, NodeDoor door) {
  const auto shared = std::make_shared<const NodeDoor>(std::move(door));
  for (const GuestRoute& entry : kRoutes) {
    http::Route route;
    route.method = entry.method;
    route.pattern = "/api/v1/sandboxes/{id}" + std::string(entry.rest);
    route.body_bytes_max = kBodyBytesMax;
    route.streams_body = true;
    route.handler = [&service, shared, is_interactive = entry.is_interactive](http::Request request) {
      return pass(service, shared, std::move(request), is_interactive);
    };
    SBX_CHECK(router.add(std::move(route)));
  }
  return {};
}

}  // namespace sandboxd::orch::sandboxd_o
