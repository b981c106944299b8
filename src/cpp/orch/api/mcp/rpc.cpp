#include "orch/api/mcp/rpc.hpp"

#include "orch/api/mcp/schema.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

namespace sandboxd::orch::mcp {
namespace {

namespace json = codec::json;

constexpr std::array<std::string_view, 4> kVersions{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
constexpr std::string_view kVersionForOthers = "2025-06-18";
constexpr std::string_view kFirstWithoutBatches = "2025-06-18";
constexpr std::size_t kBatchMax = 100;

constexpr std::array<std::string_view, 13> kRequests{"initialize",
                                                     "ping",
                                                     "tools/list",
                                                     "tools/call",
                                                     "resources/list",
                                                     "resources/templates/list",
                                                     "resources/read",
                                                     "resources/subscribe",
                                                     "resources/unsubscribe",
                                                     "prompts/list",
                                                     "prompts/get",
                                                     "logging/setLevel",
                                                     "completion/complete"};
// Of capabilities that are not announced.
constexpr std::array<std::string_view, 3> kUnsupported{"resources/subscribe", "resources/unsubscribe",
                                                       "completion/complete"};
constexpr std::array<std::string_view, 4> kNotifications{"notifications/initialized", "notifications/cancelled",
                                                         "notifications/progress", "notifications/roots/list_changed"};

constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;
constexpr int kInternalError = -32603;
constexpr int kNotFound = -32002;  // of resources

bool is_one_of(std::string_view text, const auto& list) { return std::ranges::find(list, text) != list.end(); }

Error malformed(std::string what) { return {ErrorCode::invalid_argument, std::move(what)}; }

Result<Message> parse_message(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return malformed("malformed payload: a JSON-RPC message is an object");
  const json::value* protocol = object->if_contains("jsonrpc");
  if (protocol == nullptr || *protocol != "2.0") return malformed("malformed payload: jsonrpc must be \"2.0\"");
  Message message;
  const json::value* id = object->if_contains("id");
  const json::value* method = object->if_contains("method");
  if (id != nullptr && !id->is_string() && !id->is_number()) return malformed("malformed payload: bad id");
  if (method == nullptr) {
    const bool is_response = id != nullptr && (object->contains("result") || object->contains("error"));
    if (!is_response) return malformed("malformed payload: neither a method nor a result");
    message.kind = MessageKind::response;
    return message;
  }
  if (!method->is_string()) return malformed("malformed payload: method must be a string");
  message.method = method->get_string();
  const bool is_request = is_one_of(message.method, kRequests);
  if (!is_request && !is_one_of(message.method, kNotifications)) {
    return malformed("\"" + message.method + "\" unsupported");
  }
  if (is_request && id == nullptr) return malformed("missing id: \"" + message.method + "\" is a request");
  if (!is_request && id != nullptr) return malformed("unexpected id for \"" + message.method + "\"");
  message.kind = is_request ? MessageKind::request : MessageKind::notification;
  if (id != nullptr) message.id = *id;
  if (const json::value* params = object->if_contains("params"); params != nullptr && !params->is_null()) {
    if (!params->is_object()) return malformed("malformed payload: params must be an object");
    message.params = params->get_object();
  }
  return message;
}

json::object envelope(const json::value& id) {
  json::object out;
  out["jsonrpc"] = "2.0";
  out["id"] = id;
  return out;
}

json::object success(const json::value& id, json::object result) {
  json::object out = envelope(id);
  out["result"] = std::move(result);
  return out;
}

json::object failure(const json::value& id, int code, const std::string& message) {
  json::object out = envelope(id);
  json::object error;
  error["code"] = code;
  error["message"] = message;
  out["error"] = std::move(error);
  return out;
}

std::string text_of(const json::object& params, std::string_view name) {
  const json::value* found = params.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

json::object hello(const ServerInfo& info, const Session& session) {
  json::object changes;
  changes["listChanged"] = true;
  json::object capabilities;
  capabilities["logging"] = json::object();
  capabilities["prompts"] = changes;
  capabilities["resources"] = changes;
  capabilities["tools"] = changes;
  json::object server;
  server["name"] = info.name;
  server["version"] = info.version;
  json::object out;
  out["capabilities"] = std::move(capabilities);
  if (!info.instructions.empty()) out["instructions"] = info.instructions;
  out["protocolVersion"] = session.version;
  out["serverInfo"] = std::move(server);
  return out;
}

json::object tool_result(const std::string& text, bool is_error) {
  json::object item;
  item["type"] = "text";
  item["text"] = text;
  json::array content;
  content.emplace_back(std::move(item));
  json::object out;
  out["content"] = std::move(content);
  if (is_error) out["isError"] = true;
  return out;
}

Task<json::object> call_tool(std::shared_ptr<const Offer> offer, Message message, TellProgress tell) {
  const std::string name = called_tool(message);
  const Tool* tool = offer->tools.find(name);
  if (tool == nullptr) co_return failure(message.id, kInvalidParams, "unknown tool \"" + name + "\"");
  json::value arguments = json::object();
  if (const json::value* given = message.params.if_contains("arguments"); given != nullptr && !given->is_null()) {
    arguments = *given;
  }
  if (const auto why = misfit(tool->input_schema, arguments)) {
    co_return failure(message.id, kInvalidParams, "invalid params: validating \"arguments\": validating root: " + *why);
  }
  auto result = co_await tool->handler(std::move(arguments.as_object()), std::move(tell));
  if (!result) co_return success(message.id, tool_result(result.error().message(), true));
  co_return success(message.id, tool_result(codec::write_json(*result), false));
}

json::object read_resource(const Library& library, const Message& message) {
  const std::string uri = text_of(message.params, "uri");
  const Resource* resource = library.resource(uri);
  if (resource != nullptr) return success(message.id, content_of(*resource));
  json::object out = failure(message.id, kNotFound, "Resource not found");
  json::object data;
  data["uri"] = uri;
  out["error"].as_object()["data"] = std::move(data);
  return out;
}

json::object get_prompt(const Library& library, const Message& message) {
  const std::string name = text_of(message.params, "name");
  const Prompt* prompt = library.prompt(name);
  if (prompt == nullptr) return failure(message.id, kInvalidParams, "unknown prompt \"" + name + "\"");
  const json::value* given = message.params.if_contains("arguments");
  const json::object* arguments = given == nullptr ? nullptr : given->if_object();
  auto content = content_of(*prompt, arguments == nullptr ? json::object() : *arguments);
  if (!content) return failure(message.id, kInvalidParams, "invalid params: arguments" + content.error().message());
  return success(message.id, *std::move(content));
}

// Requests whose answer needs no waiting.
json::object answer_at_once(const Offer& offer, const SessionRef& session, const Message& message) {
  const std::string& method = message.method;
  if (method == "resources/read") return read_resource(offer.library, message);
  if (method == "prompts/get") return get_prompt(offer.library, message);
  if (is_one_of(method, kUnsupported)) return failure(message.id, kMethodNotFound, "\"" + method + "\" unsupported");
  json::object result;
  if (method == "initialize" && session) result = hello(offer.info, *session);
  if (method == "tools/list") result["tools"] = offer.tools.list();
  if (method == "resources/list") result["resources"] = offer.library.list_resources();
  if (method == "resources/templates/list") result["resourceTemplates"] = json::array();
  if (method == "prompts/list") result["prompts"] = offer.library.list_prompts();
  return success(message.id, std::move(result));
}

}  // namespace

bool is_known_version(std::string_view version) { return is_one_of(version, kVersions); }

std::string version_for(std::string_view version) {
  return std::string(is_known_version(version) ? version : kVersionForOthers);
}

Result<std::vector<Message>> parse_messages(std::string_view text, std::string_view version) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return malformed("POST requires a non-empty body");
  const auto value = codec::read_json(text);
  if (!value) return malformed("malformed payload: " + value.error().message());
  std::vector<Message> out;
  const json::array* batch = value->if_array();
  if (batch == nullptr) {
    SBX_TRY(message, parse_message(*value));
    out.push_back(std::move(message));
    return out;
  }
  if (version >= kFirstWithoutBatches)
    return malformed("JSON-RPC batching is not supported in " + std::string(version));
  if (batch->empty() || batch->size() > kBatchMax) return malformed("a batch has 1 to 100 messages");
  for (const json::value& item : *batch) {
    SBX_TRY(message, parse_message(item));
    if (message.method == "initialize") return malformed("initialize stands alone, not in a batch");
    out.push_back(std::move(message));
  }
  return out;
}

Task<json::object> answer(std::shared_ptr<const Offer> offer, SessionRef session, Message message, TellProgress tell) {
  const bool is_open = message.method == "initialize" || message.method == "ping";
  if (!is_open && (!session || !session->is_initialized)) {
    co_return failure(message.id, kInvalidRequest,
                      "method \"" + message.method + "\" is invalid during session initialization");
  }
  if (message.method == "tools/call") {
    auto called = co_await call_tool(std::move(offer), std::move(message), std::move(tell));
    co_return called;
  }
  co_return answer_at_once(*offer, session, message);
}

json::object internal_error(const Message& request) { return failure(request.id, kInternalError, "internal error"); }

std::string request_key(const json::value& id) { return codec::write_json(id); }

std::string cancelled_key(const Message& message) {
  const json::value* id = message.params.if_contains("requestId");
  return message.method == "notifications/cancelled" && id != nullptr ? request_key(*id) : std::string();
}

std::string called_tool(const Message& request) { return text_of(request.params, "name"); }

json::object progress_notification(const json::value& token, const Progress& progress) {
  json::object params;
  params["progressToken"] = token;
  params["progress"] = progress.done;
  if (progress.total > 0) params["total"] = progress.total;
  params["message"] = progress.message;
  json::object out;
  out["jsonrpc"] = "2.0";
  out["method"] = "notifications/progress";
  out["params"] = std::move(params);
  return out;
}

}  // namespace sandboxd::orch::mcp
