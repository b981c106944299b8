// What an MCP server offers to read: resources, which are texts with an address, and prompts, which are texts made of
// arguments.
#pragma once

#include "base/result.hpp"
#include "codec/json.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch::mcp {

struct Resource {
  std::string uri;
  std::string name;
  std::string description;
  std::string mime_type;
  std::string text;
};

struct PromptArgument {
  std::string name;
  std::string description;
  bool is_required = false;  // clients are told; who leaves it out gets what the text makes of it
};

struct Prompt {
  std::string name;
  std::string description;
  std::vector<PromptArgument> arguments;
  // What the user is made to say.
  std::function<std::string(const std::map<std::string, std::string>& arguments)> text;
};

class Library {
 public:
  // Errors: already_exists; invalid_argument: no address, no name or no text.
  [[nodiscard]] Result<void> add(Resource resource);
  [[nodiscard]] Result<void> add(Prompt prompt);
  [[nodiscard]] const Resource* resource(std::string_view uri) const;
  [[nodiscard]] const Prompt* prompt(std::string_view name) const;
  // As `resources/list` and `prompts/list` show them, in order.
  [[nodiscard]] codec::json::array list_resources() const;
  [[nodiscard]] codec::json::array list_prompts() const;

 private:
  std::map<std::string, Resource, std::less<>> resources_;
  std::map<std::string, Prompt, std::less<>> prompts_;
};

// As `resources/read` and `prompts/get` answer them.
[[nodiscard]] codec::json::object content_of(const Resource& resource);
// Errors: invalid_argument: an argument that is no text.
[[nodiscard]] Result<codec::json::object> content_of(const Prompt& prompt, const codec::json::object& arguments);

}  // namespace sandboxd::orch::mcp
