#include "orch/api/opensbx/mcp_tools.hpp"

#include "orch/api/opensbx/create.hpp"
#include "orch/api/opensbx/mcp_library.hpp"
#include "orch/api/opensbx/route_tables.hpp"
#include "orch/api/opensbx/url.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

namespace json = codec::json;

// How a tool's arguments stand in the route's request.
struct ToolRow {
  const char* name;
  const char* description;
  std::string_view required;  // names of kArguments, with blanks between
  std::string_view optional;
  const char* method;
  const char* pattern;
  const char* done = nullptr;  // {"status": done} in place of an answer without a body
};

// What tools take, by the arguments' names.
struct Argument {
  std::string_view name;
  const char* schema;
};
constexpr Argument kArguments[] = {
    {"id", R"({"type":"string","description":"Id or name."})"},
    {"sandbox_id", R"({"type":"string","description":"Id or name of the sandbox."})"},
    {"command_id", R"({"type":"string","description":"Id of the command."})"},
    {"path", R"({"type":"string","description":"Path inside the sandbox."})"},
    {"content", R"({"type":"string"})"},
    {"image", R"({"type":"string"})"},
    {"ports", R"({"type":["array","null"],"items":{"type":"string"}})"},
    {"timeout", R"({"type":"integer","description":"Seconds until it is stopped."})"},
    {"resources", R"({"type":["object","null"],"properties":{"memory":{"type":"integer","description":"MB"},
                      "cpus":{"type":"number"}},"required":["memory","cpus"],"additionalProperties":false})"},
    {"command", R"({"type":"string","description":"A program, not a line for a shell."})"},
    {"args", R"({"type":["array","null"],"items":{"type":"string"}})"},
    {"cwd", R"({"type":"string"})"},
    {"env", R"({"type":["object","null"],"additionalProperties":{"type":"string"}})"},
    {"env_list", R"({"type":["array","null"],"items":{"type":"string"},"description":"KEY=VALUE"})"},
    {"wait", R"({"type":"boolean","description":"Answer when it has ended."})"},
    {"signal", R"({"type":"integer"})"},
    {"force", R"({"type":"boolean"})"},
};

constexpr ToolRow kTools[] = {
    {"system_health", "Whether the service can run sandboxes.", "", "", "GET", "/v1/health"},
    {"sandbox_list", "All sandboxes.", "", "", "GET", "/v1/sandboxes"},
    {"sandbox_create", "Make a sandbox of an image that is there (image_pull gets one), and wait until it runs.",
     "image", "ports timeout resources env_list", "POST", "/v1/sandboxes"},
    {"sandbox_get", "One sandbox.", "id", "", "GET", "/v1/sandboxes/{id}"},
    {"sandbox_delete", "Remove a sandbox with its files.", "id", "", "DELETE", "/v1/sandboxes/{id}", "deleted"},
    {"sandbox_start", "Start a stopped sandbox; its files are as they were.", "id", "", "POST",
     "/v1/sandboxes/{id}/start"},
    {"sandbox_stop", "Stop a sandbox; its files stay.", "id", "", "POST", "/v1/sandboxes/{id}/stop"},
    {"sandbox_restart", "Stop and start a sandbox.", "id", "", "POST", "/v1/sandboxes/{id}/restart"},
    {"sandbox_pause", "Freeze a sandbox.", "id", "", "POST", "/v1/sandboxes/{id}/pause"},
    {"sandbox_resume", "Let a paused sandbox go on.", "id", "", "POST", "/v1/sandboxes/{id}/resume"},
    {"sandbox_renew_expiration", "Let it be stopped so many seconds from now.", "id timeout", "", "POST",
     "/v1/sandboxes/{id}/renew-expiration"},
    {"sandbox_stats", "What a sandbox uses now.", "id", "", "GET", "/v1/sandboxes/{id}/stats"},
    {"sandbox_network_get", "Where its ports are reached.", "id", "", "GET", "/v1/sandboxes/{id}/network"},
    {"command_exec", "Run a program in a sandbox.", "sandbox_id command", "args cwd env wait", "POST",
     "/v1/sandboxes/{id}/cmd"},
    {"command_list", "The commands of a sandbox.", "id", "", "GET", "/v1/sandboxes/{id}/cmd"},
    {"command_get", "One command.", "sandbox_id command_id", "wait", "GET", "/v1/sandboxes/{id}/cmd/{command}"},
    {"command_kill", "Send a command a signal.", "sandbox_id command_id signal", "", "POST",
     "/v1/sandboxes/{id}/cmd/{command}/kill"},
    {"command_logs", "What a command wrote so far.", "sandbox_id command_id", "", "GET",
     "/v1/sandboxes/{id}/cmd/{command}/logs"},
    {"file_read", "Read a file as text.", "sandbox_id path", "", "GET", "/v1/sandboxes/{id}/files"},
    {"file_write", "Write a file as a whole, with missing directories.", "sandbox_id path content", "", "PUT",
     "/v1/sandboxes/{id}/files"},
    {"file_delete", "Remove a file, or a directory with all that is in it.", "sandbox_id path", "", "DELETE",
     "/v1/sandboxes/{id}/files", "deleted"},
    {"file_list", "List a directory.", "sandbox_id path", "", "GET", "/v1/sandboxes/{id}/files/list"},
    {"image_list", "Images that sandboxes can be made of.", "", "", "GET", "/v1/images"},
    {"image_get", "One image.", "id", "", "GET", "/v1/images/{image...}"},
    {"image_pull", "Get an image from its registry.", "image", "", "POST", "/v1/images/pull"},
    {"image_delete", "Remove an image.", "id", "force", "DELETE", "/v1/images/{image...}", "deleted"},
};

Use route_of(const ToolRow& row) {
  for (const auto table :
       {main_routes(), sandbox_routes(), life_routes(), command_routes(), file_routes(), image_routes()}) {
    for (const Entry& entry : table) {
      if (std::string_view(entry.method) == row.method && std::string_view(entry.pattern) == row.pattern)
        return entry.use;
    }
  }
  return nullptr;
}

std::string text_of(const json::object& arguments, std::string_view name) {
  const json::value* found = arguments.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

bool is_true(const json::object& arguments, std::string_view name) {
  const json::value* found = arguments.if_contains(name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

// The original's own checks, beyond the schema's: what is empty or zero is missing.
std::optional<Error> missing(const json::object& arguments) {
  const auto is_blank = [&](std::string_view name) {
    const json::value* found = arguments.if_contains(name);
    return found != nullptr && found->is_string() && found->get_string().empty();
  };
  const auto required = [](std::string_view what, const char* verb) {
    return Error(ErrorCode::invalid_argument, std::string(what) + verb);
  };
  const bool has_command = arguments.contains("command_id");
  const bool has_path = arguments.contains("path") && arguments.contains("content");
  if (has_command && (is_blank("sandbox_id") || is_blank("command_id")))
    return required("sandbox_id and command_id", " are required");
  if (has_path && (is_blank("sandbox_id") || is_blank("path"))) return required("sandbox_id and path", " are required");
  for (const char* name : {"id", "sandbox_id", "command", "image"}) {
    if (is_blank(name)) return required(name, " is required");
  }
  const json::value* signal = arguments.if_contains("signal");
  if (signal != nullptr && *signal == json::value(0)) return required("signal", " is required");
  const json::value* timeout = arguments.if_contains("timeout");
  if (arguments.contains("id") && timeout != nullptr && *timeout == json::value(0))
    return Error(ErrorCode::invalid_argument, "timeout must be > 0");
  return std::nullopt;
}

http::Request request_of(const ToolRow& row, const json::object& arguments) {
  http::Request request;
  request.method = row.method;
  request.target = request.path = row.pattern;
  request.parameters[kTool] = row.name;
  const std::string_view pattern = row.pattern;
  const std::string id = arguments.contains("sandbox_id") ? text_of(arguments, "sandbox_id") : text_of(arguments, "id");
  if (pattern.find("{id}") != std::string_view::npos) request.parameters["id"] = id;
  if (pattern.find("{image...}") != std::string_view::npos) request.parameters["image"] = id;
  if (pattern.find("{command}") != std::string_view::npos)
    request.parameters["command"] = text_of(arguments, "command_id");
  if (arguments.contains("path")) {
    const std::string path = text_of(arguments, "path");
    request.query.emplace("path", path.empty() && pattern.ends_with("/list") ? "/" : path);
  }
  if (is_true(arguments, "force")) request.query.emplace("force", "true");
  json::object body = arguments;
  for (const char* name : {"id", "sandbox_id", "command_id", "path", "force", "wait"}) body.erase(name);
  if (!body.empty()) request.body = codec::write_json(body);
  return request;
}

Result<json::value> result_of(const ToolRow& row, const http::Response& response) {
  json::value body;
  if (!response.body.empty()) {
    SBX_TRY(read, codec::read_json(response.body, {.depth_max = 64}));
    body = std::move(read);
  }
  if (response.status >= 300) {
    const json::object* refusal = body.if_object();
    std::string text = refusal == nullptr ? std::string() : text_of(*refusal, "message");
    if (text.empty() && refusal != nullptr) text = text_of(*refusal, "error");
    // The hint is about a route, which a model has not.
    if (const std::size_t hint = text.find(", use POST /v1/images/pull"); hint != std::string::npos) text.resize(hint);
    return Error(ErrorCode::invalid_argument, text);
  }
  if (row.done != nullptr) body = json::object{{"status", row.done}};
  if (json::object* object = body.if_object();
      object != nullptr && (object->contains("sandboxes") || object->contains("images")))
    object->erase("message");
  return body;
}

// The command as it ended.
Task<Result<json::value>> wait_for(const Context* context, json::value started) {
  const json::object& command = started.as_object().at("command").as_object();
  const SandboxId sandbox(text_of(command, "sandbox_id"));
  const std::string id = text_of(command, "id");
  for (;;) {
    SBX_CO_TRY(now, co_await context->guests.wait(sandbox, id, std::chrono::seconds(20)));
    if (now.exit_code) co_return codec::read_json(command_body(now));
  }
}

// As its client is told: in bytes, as soon as the registry has said how many.
PullObserver in_bytes(mcp::TellProgress tell) {
  tell({});  // no seconds before: bytes that are fewer could not be told after them
  return [tell = std::move(tell)](const model::PullProgress& pull) {
    if (pull.bytes_total > 0) tell({pull.bytes_done, pull.bytes_total, model::to_text(pull)});
  };
}

Task<Result<json::value>> call(const Context* context, const ToolRow* row, Use use, json::object arguments,
                               mcp::TellProgress tell) {
  if (auto wrong = missing(arguments)) co_return *std::move(wrong);
  http::Request request = request_of(*row, arguments);
  http::Response response;
  if (std::string_view(row->name) == "image_pull") {
    response = co_await pull_image(*context, std::move(request), in_bytes(std::move(tell)));
  } else {
    response = co_await use(*context, std::move(request));
  }
  auto result = result_of(*row, response);
  if (!result || !is_true(arguments, "wait")) co_return result;
  co_return co_await wait_for(context, *std::move(result));
}

// Adds the named arguments' schemas to `properties`; their names go out, quoted.
std::string add_arguments(std::string_view names, std::string& properties) {
  std::string quoted;
  for (const Argument& argument : kArguments) {
    const std::string padded = " " + std::string(names) + " ";
    if (padded.find(" " + std::string(argument.name) + " ") == std::string::npos) continue;
    const std::string name = argument.name == "env_list" ? "env" : std::string(argument.name);
    properties += (properties.empty() ? "\"" : ",\"") + name + "\":" + argument.schema;
    quoted += (quoted.empty() ? "\"" : ",\"") + name + "\"";
  }
  return quoted;
}

json::object schema_of(const ToolRow& row) {
  std::string properties;
  const std::string required = add_arguments(row.required, properties);
  add_arguments(row.optional, properties);
  return json::parse(R"({"type":"object","properties":{)" + properties + R"(},"required":[)" + required +
                     R"(],"additionalProperties":false})")
      .as_object();
}

Result<void> add_tools(mcp::Tools& tools, const Context& context) {
  for (const ToolRow& row : kTools) {
    const Use use = route_of(row);
    if (use == nullptr) return Error(ErrorCode::internal, std::string("tool ") + row.name + " has no route");
    // An ordinary function: what the coroutine needs are its parameters.
    SBX_CHECK(tools.add({row.name, row.description, schema_of(row),
                         [&context, &row, use](json::object arguments, mcp::TellProgress tell) {
                           return call(&context, &row, use, std::move(arguments), std::move(tell));
                         }}));
  }
  return {};
}

mcp::ServerInfo mcp_info() {
  return {"opensbx", "1.0.0",
          "Make a sandbox first (sandbox_create), or take one of sandbox_list; it runs nothing of its own. Then work "
          "with command_exec; look at long commands with command_get and command_logs. Read and change files with "
          "file_read and file_write. A command's env is an object of names and values, not a list. Find out where the "
          "project is and give that directory as cwd. To show a service, start it in the background and look at "
          "sandbox_network_get."};
}

}  // namespace

Result<std::shared_ptr<mcp::McpServer>> add_mcp_routes(http::Router& router, boost::asio::any_io_executor executor,
                                                       const Context& context) {
  const auto offer = std::make_shared<mcp::Offer>();
  offer->info = mcp_info();
  SBX_CHECK(add_tools(offer->tools, context));
  SBX_CHECK(add_library(offer->library));
  mcp::McpOptions options;
  options.own_names_only = is_local_domain(context.settings.urls.base_domain);
  auto server = std::make_shared<mcp::McpServer>(
      offer, std::move(executor), context.clock, [&context] { return draw_id(context.entropy); }, options);
  SBX_CHECK(server->add_routes(router, "/v1/mcp"));
  return server;
}

}  // namespace sandboxd::orch::opensbx
