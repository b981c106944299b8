// Commands in sandboxes: codec/guest_wire.hpp lists the routes.
#include "codec/guest_wire.hpp"
#include "codec/output_frames.hpp"
#include "node/api/guest_route_parts.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {
namespace {

namespace guest = codec::guest;
namespace json = codec::json;

constexpr std::uint64_t kWaitMax = 24ULL * 3600 * 1000;  // milliseconds

SandboxId id_of(const http::Request& request) { return SandboxId(request.parameter("id")); }

json::object in_command(const model::Command& command) {
  json::object body;
  body["command"] = guest::command_object(command);
  return body;
}

http::Response nothing() {
  http::Response response;
  response.status = 204;
  return response;
}

class LateCommand final : public LateAnswer {
 public:
  LateCommand(Commands& commands, SandboxId id, std::string command, Duration wait)
      : commands_(commands), id_(std::move(id)), command_(std::move(command)), wait_(wait) {}
  Task<Result<json::object>> make() override {
    SBX_CO_TRY(command, co_await commands_.get(id_, command_, wait_));
    co_return in_command(command);
  }

 private:
  Commands& commands_;
  SandboxId id_;
  std::string command_;
  Duration wait_;
};

class LateExec final : public LateAnswer {
 public:
  explicit LateExec(std::unique_ptr<Exec> exec) : exec_(std::move(exec)) {}
  Task<Result<json::object>> make() override {
    SBX_CO_TRY(outcome, co_await exec_->finish());
    json::object body = in_command(outcome.command);
    guest::put_output(body, outcome.output);
    body["spawn_ns"] = outcome.spawn_ns;
    body["run_ns"] = outcome.run_ns;
    co_return body;
  }

 private:
  std::unique_ptr<Exec> exec_;
};

Task<http::Response> exec(ApiPtr api, http::Request request) {
  auto asked = guest::decode_exec(request.body);
  if (!asked) co_return guest_failure(asked.error());
  auto started = co_await api->agent.commands().exec(id_of(request), std::move(asked->spec), std::move(asked->input));
  if (!started) co_return guest_failure(started.error());
  co_return co_await answer_late(&api->agent.clock(), std::make_shared<LateExec>(*std::move(started)));
}

Task<http::Response> begin(ApiPtr api, http::Request request) {
  auto spec = guest::decode_spec(request.body);
  if (!spec) co_return guest_failure(spec.error());
  const auto wait = flag_of(request, "wait", false);
  if (!wait) co_return guest_failure(wait.error());
  Commands& commands = api->agent.commands();
  auto begun = co_await commands.begin(id_of(request), *std::move(spec));
  if (!begun) co_return guest_failure(begun.error());
  if (!*wait) co_return ok(in_command(*begun), 201);
  co_return co_await answer_late(&api->agent.clock(),
                                 std::make_shared<LateCommand>(commands, id_of(request), std::move(begun->id),
                                                               std::chrono::milliseconds(kWaitMax)));
}

Task<http::Response> list(ApiPtr api, http::Request request) {
  const auto commands = co_await api->agent.commands().list(id_of(request));
  if (!commands) co_return guest_failure(commands.error());
  json::array items;
  for (const auto& command : *commands) items.push_back(guest::command_object(command));
  json::object body;
  body["items"] = std::move(items);
  co_return ok(body);
}

Task<http::Response> get(ApiPtr api, http::Request request) {
  const auto wait_ms = number_of(request, "wait_ms", 0);
  if (!wait_ms) co_return guest_failure(wait_ms.error());
  const auto wait = std::chrono::milliseconds(std::min(*wait_ms, kWaitMax));
  co_return co_await answer_late(
      &api->agent.clock(),
      std::make_shared<LateCommand>(api->agent.commands(), id_of(request), request.parameter("command"), wait));
}

Task<http::Response> remove(ApiPtr api, http::Request request) {
  const auto removed = co_await api->agent.commands().remove(id_of(request), request.parameter("command"));
  if (!removed) co_return guest_failure(removed.error());
  co_return nothing();
}

Task<http::Response> signal(ApiPtr api, http::Request request) {
  const auto how = guest::decode_signal(request.body);
  if (!how) co_return guest_failure(how.error());
  Commands& commands = api->agent.commands();
  const std::string command = request.parameter("command");
  auto sent = co_await commands.signal(id_of(request), command, how->number, how->group, {});
  if (!sent) co_return guest_failure(sent.error());
  co_return co_await answer_late(&api->agent.clock(),
                                 std::make_shared<LateCommand>(commands, id_of(request), command, how->wait));
}

Task<http::Response> resize(ApiPtr api, http::Request request) {
  const auto size = guest::decode_size(request.body);
  if (!size) co_return guest_failure(size.error());
  const auto resized = co_await api->agent.commands().resize(id_of(request), request.parameter("command"), *size);
  if (!resized) co_return guest_failure(resized.error());
  co_return nothing();
}

Task<http::Response> write_stdin(ApiPtr api, http::Request request) {
  const auto is_end = flag_of(request, "eof", false);
  if (!is_end) co_return guest_failure(is_end.error());
  auto input = co_await api->agent.commands().open_stdin(id_of(request), request.parameter("command"));
  if (!input) co_return guest_failure(input.error());
  for (;;) {
    auto piece = co_await request.body_reader->next();
    if (!piece) co_return guest_failure(piece.error());
    if (!*piece) break;
    const auto written = co_await (*input)->write_stdin(**std::move(piece));
    if (!written) co_return guest_failure(written.error());
  }
  if (*is_end) {
    const auto closed = co_await (*input)->close_stdin();
    if (!closed) co_return guest_failure(closed.error());
  }
  const auto taken = co_await (*input)->flush_stdin();
  if (!taken) co_return guest_failure(taken.error());
  co_return nothing();
}

// The output as it comes: lines of JSON, or frames.
class OutputBody final : public http::BodyStream {
 public:
  OutputBody(std::unique_ptr<CommandFollow> follow, bool has_frames)
      : follow_(std::move(follow)), has_frames_(has_frames) {}

  Task<std::optional<std::string>> next() override {
    if (is_over_) co_return std::nullopt;
    auto piece = co_await follow_->next();
    if (piece && *piece && has_frames_) {
      head_ = guest::encode_output_head(**piece);
      co_return std::move((*piece)->bytes);
    }
    if (piece && *piece) co_return guest::encode_piece(**piece) + "\n";
    is_over_ = true;
    const std::string last = codec::write_json(piece ? in_command(follow_->command()) : about(piece.error()));
    co_return has_frames_ ? guest::encode_output_end(last) : last + "\n";
  }
  std::string take_head() override { return std::exchange(head_, {}); }

 private:
  static json::object about(const Error& error) {
    json::object line;
    line["error"] = error.message();
    line["code"] = to_string(error.code());
    return line;
  }

  std::unique_ptr<CommandFollow> follow_;
  bool has_frames_;
  std::string head_;  // of the frame whose bytes next() gave
  bool is_over_ = false;
};

Task<http::Response> output(ApiPtr api, http::Request request) {
  const auto is_stream = flag_of(request, "stream", false);
  const auto from_stdout = number_of(request, "stdout_from", 0);
  const auto from_stderr = number_of(request, "stderr_from", 0);
  if (!is_stream) co_return guest_failure(is_stream.error());
  if (!from_stdout) co_return guest_failure(from_stdout.error());
  if (!from_stderr) co_return guest_failure(from_stderr.error());
  Commands& commands = api->agent.commands();
  if (*is_stream) {
    auto follow = co_await commands.follow(id_of(request), request.parameter("command"), {*from_stdout, *from_stderr});
    if (!follow) co_return guest_failure(follow.error());
    http::Response response;
    const bool has_frames = accepts(request, guest::kOutputFrames);
    response.content_type = has_frames ? guest::kOutputFrames : "application/x-ndjson";
    response.headers.emplace_back("Cache-Control", "no-store");
    response.stream = std::make_shared<OutputBody>(*std::move(follow), has_frames);
    co_return response;
  }
  const auto kept = co_await commands.output(id_of(request), request.parameter("command"));
  if (!kept) co_return guest_failure(kept.error());
  json::object body;
  guest::put_output(body, *kept);
  co_return ok(body);
}

constexpr RouteEntry kRoutes[] = {
    {"POST", "/v1/sandboxes/{id}/exec", exec},
    {"POST", "/v1/sandboxes/{id}/commands", begin},
    {"GET", "/v1/sandboxes/{id}/commands", list},
    {"GET", "/v1/sandboxes/{id}/commands/{command}", get},
    {"DELETE", "/v1/sandboxes/{id}/commands/{command}", remove},
    {"POST", "/v1/sandboxes/{id}/commands/{command}/signal", signal},
    {"POST", "/v1/sandboxes/{id}/commands/{command}/resize", resize},
    {"POST", "/v1/sandboxes/{id}/commands/{command}/stdin", write_stdin, true, kUploadBytesMax, true},
    {"GET", "/v1/sandboxes/{id}/commands/{command}/output", output},
};

}  // namespace

std::span<const RouteEntry> command_routes() { return kRoutes; }

}  // namespace sandboxd::node
