// Finds the route of a request. Pure; built once at start, read by the core thread.
//
// Behaviour of the original servers' framework: paths are case-sensitive, duplicate slashes are not collapsed, a known
// path with another method is not found (404, never 405), parameters are percent-decoded and never match "%2F", one
// superfluous trailing slash redirects.
#pragma once

#include "base/result.hpp"
#include "http/message.hpp"

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sandboxd::http {

struct Matched {
  const Route* route;
  std::map<std::string, std::string> parameters;
};
struct Redirect {
  int status;  // 301 for GET, 307 else
  std::string location;
};
struct NoRoute {};

class Router {
 public:
  // invalid_argument when two routes claim the same method and path (two dialects on one listener).
  [[nodiscard]] Result<void> add(Route route);
  [[nodiscard]] std::variant<Matched, Redirect, NoRoute> find(const std::string& method, const std::string& path) const;

 private:
  struct Entry {
    std::vector<std::string> segments;
    Route route;
  };
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace sandboxd::http
