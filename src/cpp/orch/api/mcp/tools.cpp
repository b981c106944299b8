#include "orch/api/mcp/tools.hpp"

#include <utility>

namespace sandboxd::orch::mcp {

namespace json = codec::json;

Result<void> Tools::add(Tool tool) {
  const json::value* type = tool.input_schema.if_contains("type");
  if (tool.name.empty() || !tool.handler || type == nullptr || *type != "object") {
    return Error(ErrorCode::invalid_argument,
                 "tool \"" + tool.name + "\": a name, a function and a schema of an object are needed");
  }
  const std::string name = tool.name;
  const bool is_new = tools_.emplace(name, std::move(tool)).second;
  if (!is_new) return Error(ErrorCode::already_exists, "tool \"" + name + "\" is there already");
  return {};
}

const Tool* Tools::find(std::string_view name) const {
  const auto found = tools_.find(name);
  return found == tools_.end() ? nullptr : &found->second;
}

json::array Tools::list() const {
  json::array out;
  for (const auto& [name, tool] : tools_) {
    json::object item;
    item["name"] = name;
    item["description"] = tool.description;
    item["inputSchema"] = tool.input_schema;
    out.emplace_back(std::move(item));
  }
  return out;
}

}  // namespace sandboxd::orch::mcp
