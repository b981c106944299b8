// A command's terminal or pipes over a WebSocket. Binary messages of one byte that says what, and what it says:
//   0 stdin, in (nothing: its end)    1 stdout, out    2 stderr, out
//   3 JSON: {"resize": {"rows", "columns"}} in; at the end {"command"}, or {"error", "code"}, out
#include "codec/guest_wire.hpp"
#include "http/web_socket.hpp"
#include "node/api/guest_route_parts.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>

namespace sandboxd::node {
namespace {

namespace asio = boost::asio;
namespace guest = codec::guest;
namespace json = codec::json;

constexpr char kStdin = 0;
constexpr char kStdout = 1;
constexpr char kStderr = 2;
constexpr char kControl = 3;

// Shared by the two directions.
struct Attached {
  Commands& commands;
  SandboxId id;
  std::string command;
  std::unique_ptr<CommandFollow> follow;
};
using AttachedPtr = std::shared_ptr<Attached>;
using SocketPtr = std::shared_ptr<http::WebSocket>;

http::WebSocketMessage message(char kind, std::string_view payload) {
  http::WebSocketMessage out;
  out.data.reserve(payload.size() + 1);
  out.data.push_back(kind);
  out.data.append(payload);
  return out;
}

http::WebSocketMessage failure_message(const Error& error) {
  json::object body;
  body["error"] = error.message();
  body["code"] = to_string(error.code());
  return message(kControl, codec::write_json(body));
}

Task<void> send_output(AttachedPtr attached, SocketPtr socket) {
  for (;;) {
    const auto piece = co_await attached->follow->next();
    if (piece && *piece) {
      const char kind = (*piece)->is_stderr ? kStderr : kStdout;
      const auto sent = co_await socket->write(message(kind, (*piece)->bytes));
      if (!sent) co_return;
      continue;
    }
    json::object body;
    if (piece) body["command"] = guest::command_object(attached->follow->command());
    auto last = piece ? message(kControl, codec::write_json(body)) : failure_message(piece.error());
    const auto sent = co_await socket->write(std::move(last));
    if (!sent) co_return;
    co_return co_await socket->close(http::kCloseNormal, "");
  }
}

Task<Result<void>> take_control(AttachedPtr attached, std::string text) {
  SBX_CO_TRY(value, codec::read_json(text));
  const json::value* size = value.is_object() ? value.get_object().if_contains("resize") : nullptr;
  if (size == nullptr) co_return Error(ErrorCode::invalid_argument, "a control message has a member \"resize\"");
  SBX_CO_TRY(wanted, guest::decode_size(codec::write_json(*size)));
  co_return co_await attached->commands.resize(attached->id, attached->command, wanted);
}

Task<Result<void>> take_message(AttachedPtr attached, std::string data) {
  if (data.empty() || (data[0] != kStdin && data[0] != kControl))
    co_return Error(ErrorCode::invalid_argument, "a message begins with the byte 0 (stdin) or 3 (control)");
  const char kind = data[0];
  data.erase(0, 1);
  if (kind == kControl) co_return co_await take_control(attached, std::move(data));
  if (data.empty()) co_return co_await attached->follow->close_stdin();
  co_return co_await attached->follow->write_stdin(std::move(data));
}

// Input that nobody takes is told and does not end what is shown.
Task<void> take_input(AttachedPtr attached, SocketPtr socket) {
  for (;;) {
    auto received = co_await socket->read();
    if (!received || !*received) co_return;
    const auto taken = co_await take_message(attached, std::move((*received)->data));
    if (taken) continue;
    const auto told = co_await socket->write(failure_message(taken.error()));
    if (!told) co_return;
  }
}

// Whichever ends first ends the other: the command's last word, or the client's departure.
Task<void> carry(AttachedPtr attached, SocketPtr socket) {
  const auto executor = co_await asio::this_coro::executor;
  auto group =
      asio::experimental::make_parallel_group(asio::co_spawn(executor, send_output(attached, socket), asio::deferred),
                                              asio::co_spawn(executor, take_input(attached, socket), asio::deferred));
  co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
}

Task<http::Response> attach(ApiPtr api, http::Request request) {
  const auto from_stdout = number_of(request, "stdout_from", 0);
  const auto from_stderr = number_of(request, "stderr_from", 0);
  const auto has_stdin = flag_of(request, "stdin", true);
  if (!from_stdout) co_return guest_failure(from_stdout.error());
  if (!from_stderr) co_return guest_failure(from_stderr.error());
  if (!has_stdin) co_return guest_failure(has_stdin.error());
  Commands& commands = api->agent.commands();
  const SandboxId id(request.parameter("id"));
  const std::string command = request.parameter("command");
  auto follow = co_await commands.follow(id, command, {*from_stdout, *from_stderr, *has_stdin});
  if (!follow) co_return guest_failure(follow.error());
  auto attached = std::make_shared<Attached>(commands, id, command, *std::move(follow));
  // An ordinary function: what the coroutine needs are its parameters.
  auto run = [attached](SocketPtr socket) { return carry(attached, std::move(socket)); };
  co_return http::accept_web_socket(std::move(request), std::move(run), {});
}

constexpr RouteEntry kRoutes[] = {
    {"GET", "/v1/sandboxes/{id}/commands/{command}/attach", attach},
};

}  // namespace

std::span<const RouteEntry> attach_routes() { return kRoutes; }

}  // namespace sandboxd::node
