// What an MCP server offers: tools with a name, a description, a schema of their arguments and a function.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "codec/json.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace sandboxd::orch::mcp {

// How far a call has come, in whatever its tool counts.
struct Progress {
  std::int64_t done = 0;
  std::int64_t total = 0;  // 0: nobody knows yet, and nothing is told
  std::string message;
};
// The last word counts; the caller is told now and then.
using TellProgress = std::function<void(Progress)>;

// Gets arguments that fit the schema. An error's message is what the caller is told. What has no progress to tell is
// said to go on, with the seconds so far.
using ToolHandler = std::function<Task<Result<codec::json::value>>(codec::json::object arguments, TellProgress tell)>;

struct Tool {
  std::string name;
  std::string description;
  codec::json::object input_schema;  // of type "object"; see schema.hpp
  ToolHandler handler;
};

class Tools {
 public:
  // Errors: already_exists; invalid_argument: no name, no function, or a schema that is of no object.
  [[nodiscard]] Result<void> add(Tool tool);
  [[nodiscard]] const Tool* find(std::string_view name) const;
  // As `tools/list` shows them, by name.
  [[nodiscard]] codec::json::array list() const;

 private:
  std::map<std::string, Tool, std::less<>> tools_;
};

}  // namespace sandboxd::orch::mcp
