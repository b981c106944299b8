#include "orch/api/mcp/library.hpp"

#include <utility>

namespace sandboxd::orch::mcp {

namespace json = codec::json;

Result<void> Library::add(Resource resource) {
  if (resource.uri.empty() || resource.name.empty())
    return Error(ErrorCode::invalid_argument, "resource \"" + resource.uri + "\": an address and a name are needed");
  const std::string uri = resource.uri;
  if (resources_.emplace(uri, std::move(resource)).second) return {};
  return Error(ErrorCode::already_exists, "resource \"" + uri + "\" is there already");
}

Result<void> Library::add(Prompt prompt) {
  if (prompt.name.empty() || !prompt.text)
    return Error(ErrorCode::invalid_argument, "prompt \"" + prompt.name + "\": a name and a text are needed");
  const std::string name = prompt.name;
  if (prompts_.emplace(name, std::move(prompt)).second) return {};
  return Error(ErrorCode::already_exists, "prompt \"" + name + "\" is there already");
}

const Resource* Library::resource(std::string_view uri) const {
  const auto found = resources_.find(uri);
  return found == resources_.end() ? nullptr : &found->second;
}

const Prompt* Library::prompt(std::string_view name) const {
  const auto found = prompts_.find(name);
  return found == prompts_.end() ? nullptr : &found->second;
}

json::array Library::list_resources() const {
  json::array out;
  for (const auto& [uri, resource] : resources_) {
    json::object item;
    item["description"] = resource.description;
    item["mimeType"] = resource.mime_type;
    item["name"] = resource.name;
    item["uri"] = uri;
    out.emplace_back(std::move(item));
  }
  return out;
}

json::array Library::list_prompts() const {
  json::array out;
  for (const auto& [name, prompt] : prompts_) {
    json::array arguments;
    for (const PromptArgument& argument : prompt.arguments) {
      json::object item;
      item["name"] = argument.name;
      item["description"] = argument.description;
      if (argument.is_required) item["required"] = true;
      arguments.emplace_back(std::move(item));
    }
    json::object item;
    item["arguments"] = std::move(arguments);
    item["description"] = prompt.description;
    item["name"] = name;
    out.emplace_back(std::move(item));
  }
  return out;
}

json::object content_of(const Resource& resource) {
  json::object item;
  item["uri"] = resource.uri;
  item["mimeType"] = resource.mime_type;
  item["text"] = resource.text;
  json::array contents;
  contents.emplace_back(std::move(item));
  json::object out;
  out["contents"] = std::move(contents);
  return out;
}

Result<json::object> content_of(const Prompt& prompt, const json::object& arguments) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : arguments) {
    if (!value.is_string()) return Error(ErrorCode::invalid_argument, "/" + std::string(name) + ": must be a string");
    texts.emplace(name, value.get_string());
  }
  json::object content;
  content["type"] = "text";
  content["text"] = prompt.text(texts);
  json::object message;
  message["content"] = std::move(content);
  message["role"] = "user";
  json::array messages;
  messages.emplace_back(std::move(message));
  json::object out;
  out["description"] = prompt.description;
  out["messages"] = std::move(messages);
  return out;
}

}  // namespace sandboxd::orch::mcp
