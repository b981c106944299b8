// All that an MCP server has for its clients. A dialect fills it; it does not change while the server runs.
#pragma once

#include "orch/api/mcp/library.hpp"
#include "orch/api/mcp/tools.hpp"

#include <string>

namespace sandboxd::orch::mcp {

struct ServerInfo {
  std::string name;
  std::string version;
  std::string instructions;
};

struct Offer {
  ServerInfo info;
  Tools tools;
  Library library;
};

}  // namespace sandboxd::orch::mcp
