// Running commands, and what became of them.
#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/route_tables.hpp"
#include "orch/api/opensbx/streams.hpp"

#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

constexpr Duration kKillWait = std::chrono::milliseconds(500);
constexpr std::int64_t kSignalMax = 64;
constexpr const char* kNoCommand = "command not found";
constexpr const char* kFinished = "command has already finished";

// Commands are looked for by their own id: a sandbox that is not there has none.
http::Response command_failed(const Error& error) {
  return error.code() == ErrorCode::not_found ? error_response(404, kNoCommand) : failed(error);
}

model::CommandSpec spec_of(ExecBody body) {
  model::CommandSpec spec;
  spec.argv.push_back(std::move(body.command));
  if (!body.args) spec.labels[kNullArgs] = "null";
  for (std::string& argument : body.args.value_or(std::vector<std::string>())) spec.argv.push_back(std::move(argument));
  spec.cwd = std::move(body.cwd);
  spec.env = std::move(body.env);
  return spec;
}

Task<Result<model::Command>> find_command(const Context& context, const http::Request& request) {
  SBX_CO_TRY(sandbox, co_await found(context, request));
  co_return co_await context.guests.get(sandbox->id, request.parameter("command"));
}

http::Response answer(const Context& context, const http::Request& request, model::Command command) {
  if (is_switched_on(request, "wait")) return waited(context.guests, std::move(command));
  return ok(command_body(command));
}

Task<http::Response> start(const Context& context, http::Request request) {
  auto body = decode_exec(request.body);
  if (!body) co_return bad_request(body.error());
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  if (auto refusal = refuse_idle(context, **sandbox)) co_return *std::move(refusal);
  auto command = co_await context.guests.start((*sandbox)->id, spec_of(*std::move(body)));
  if (!command) co_return failed(command.error());
  co_return answer(context, request, *std::move(command));
}

Task<http::Response> list(const Context& context, http::Request request) {
  auto sandbox = co_await found(context, request);
  if (!sandbox) co_return failed(sandbox.error());
  auto commands = co_await context.guests.list((*sandbox)->id);
  if (!commands) co_return failed(commands.error());
  codec::json::array items;
  for (const model::Command& command : *commands) items.push_back(command_object(command));
  codec::json::object out;
  out["commands"] = std::move(items);
  co_return ok(out);
}

Task<http::Response> get(const Context& context, http::Request request) {
  auto command = co_await find_command(context, request);
  if (!command) co_return command_failed(command.error());
  co_return answer(context, request, *std::move(command));
}

Task<http::Response> kill(const Context& context, http::Request request) {
  auto number = decode_kill(request.body);
  if (!number) co_return bad_request(number.error());
  auto command = co_await find_command(context, request);
  if (!command) co_return command_failed(command.error());
  if (command->exit_code) co_return error_response(409, kFinished);
  if (*number < 1 || *number > kSignalMax) co_return error_response(400, "signal must be between 1 and 64");
  auto killed = co_await context.guests.signal(command->sandbox, command->id, static_cast<int>(*number), kKillWait);
  if (!killed) co_return command_failed(killed.error());
  co_return ok(command_body(*killed));
}

Task<http::Response> logs(const Context& context, http::Request request) {
  auto command = co_await find_command(context, request);
  if (!command) co_return command_failed(command.error());
  if (is_switched_on(request, "stream")) {
    auto output = co_await context.guests.follow(command->sandbox, command->id);
    if (!output) co_return command_failed(output.error());
    co_return followed(*std::move(output));
  }
  auto output = co_await context.guests.output(command->sandbox, command->id);
  if (!output) co_return command_failed(output.error());
  codec::json::object body;
  body["stdout"] = output->stdout_bytes;
  body["stderr"] = output->stderr_bytes;
  if (command->exit_code) body["exit_code"] = *command->exit_code;
  co_return ok(body);
}

constexpr Entry kRoutes[] = {
    {"POST", "/v1/sandboxes/{id}/cmd", start},
    {"GET", "/v1/sandboxes/{id}/cmd", list},
    {"GET", "/v1/sandboxes/{id}/cmd/{command}", get},
    {"POST", "/v1/sandboxes/{id}/cmd/{command}/kill", kill},
    {"GET", "/v1/sandboxes/{id}/cmd/{command}/logs", logs},
};

}  // namespace

http::Response daemon_conflict(const model::Sandbox& sandbox, std::string_view what) {
  return error_response(500, "Error response from daemon: container " + sandbox.id.str() + " " + std::string(what));
}

std::optional<http::Response> refuse_idle(const Context& context, const model::Sandbox& sandbox) {
  const bool is_frozen = sandbox.phase == model::Phase::paused || sandbox.phase == model::Phase::pausing;
  if (is_frozen && context.settings.is_strict)
    return daemon_conflict(sandbox, "is paused, unpause the container before exec");
  if (is_frozen) return error_response(409, "sandbox is paused");
  if (!is_live(sandbox)) return error_response(409, "sandbox is not running");
  return std::nullopt;
}

std::span<const Entry> command_routes() { return kRoutes; }

}  // namespace sandboxd::orch::opensbx
