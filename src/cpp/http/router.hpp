// Finds the route of a request. Pure; built once at start, read by the core thread.
//
// Behaviour of the original servers' framework: paths are case-sensitive, duplicate slashes are not collapsed, a known
// path with another method is not found (404, never 405), parameters are percent-decoded and never match "%2F", one
// superfluous trailing slash redirects.
//
// A literal segment wins over a parameter, a parameter over "{name...}". A parameter never matches an empty segment;
// "{name...}" also matches an empty rest, behind a slash. A route of kAnyMethod takes what no other route of its path
// takes.
#pragma once

#include "base/result.hpp"
#include "http/message.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
  // invalid_argument when two routes claim the same method and path (two dialects on one listener), or for a malformed
  // pattern.
  [[nodiscard]] Result<void> add(Route route);
  // Sets the admission of a route that is there. Errors: not_found.
  [[nodiscard]] Result<void> guard(std::string_view method, std::string_view pattern, Admission admit);
  // (method, pattern) of every route, most specific first.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> routes() const;
  [[nodiscard]] std::variant<Matched, Redirect, NoRoute> find(const std::string& method, const std::string& path) const;

 private:
  enum class Kind { literal, parameter, rest };  // in the order of preference
  struct Segment {
    Kind kind;
    std::string text;  // the literal, or the parameter's name
  };
  struct Entry {
    std::vector<Segment> segments;
    Route route;
  };
  // `segments` as sent; their decoded values go into `parameters`, if given.
  static bool matches(const Entry& entry, const std::vector<std::string>& segments,
                      std::map<std::string, std::string>* parameters);
  static bool is_same_path(const Entry& a, const Entry& b);
  [[nodiscard]] const Entry* lookup(const std::string& method, const std::vector<std::string>& segments) const;

  std::vector<std::unique_ptr<Entry>> entries_;  // most specific first
};

}  // namespace sandboxd::http
