// Requests of any client: the parser gives the same answer however the bytes are cut, within its bounds.
#include "fuzz.hpp"
#include "http/access_log.hpp"
#include "http/parser.hpp"
#include "http/router.hpp"
#include "http/target.hpp"

#include <string>

namespace {

using namespace sandboxd;

constexpr std::size_t kHeaderMax = 2048;
constexpr std::size_t kBodyMax = 4096;

struct Outcome {
  http::ParseFault fault = http::ParseFault::none;
  bool is_done = false;
  std::string method;
  std::string target;
  std::string body;
  std::size_t headers = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

bool is_unfinished(const Outcome& outcome) { return outcome.fault == http::ParseFault::none && !outcome.is_done; }

Outcome parse(std::string_view text, std::size_t step) {
  http::RequestParser parser(kHeaderMax);
  std::string buffer;
  bool is_limited = false;
  for (std::size_t at = 0; at < text.size() && parser.fault() == http::ParseFault::none; at += step) {
    buffer += text.substr(at, step);
    while (!parser.is_done() && parser.fault() == http::ParseFault::none) {
      const std::size_t used = parser.feed(buffer);
      fuzz::must(used <= buffer.size(), "no more is used than was given");
      buffer.erase(0, used);
      if (parser.has_header() && !is_limited) {
        is_limited = true;
        parser.set_body_limit(kBodyMax);
        continue;
      }
      if (used == 0 || buffer.empty()) break;
    }
    fuzz::must(parser.is_done() || buffer.size() <= kHeaderMax + step, "what waits is bounded");
  }
  Outcome out;
  out.fault = parser.fault();
  if (out.fault != http::ParseFault::none) return out;  // how far it came before is no matter
  out.is_done = parser.is_done();
  if (!parser.has_header()) return out;
  const http::Request& request = parser.request();
  out.method = request.method;
  out.target = request.target;
  out.headers = request.headers.size();
  if (out.is_done) out.body = request.body;
  fuzz::must(out.body.size() <= kBodyMax, "a body is bounded");
  return out;
}

Task<http::Response> nothing(http::Request) { co_return http::Response(); }

const http::Router& router() {
  static const http::Router instance = [] {
    http::Router made;
    for (const char* pattern : {"/", "/a", "/a/{id}", "/a/{id}/b/{name}", "/rest/{path...}"}) {
      http::Route route;
      route.method = "GET";
      route.pattern = pattern;
      route.handler = nothing;
      fuzz::must(made.add(std::move(route)).has_value(), "a route is taken");
    }
    return made;
  }();
  return instance;
}

void use(std::string_view text) {
  http::RequestParser parser(kHeaderMax);
  parser.feed(text);
  if (!parser.has_header() || parser.fault() != http::ParseFault::none) return;
  const http::Request& request = parser.request();
  const auto found = router().find("GET", request.path);
  if (const auto* redirect = std::get_if<http::Redirect>(&found)) {
    fuzz::must(!redirect->location.starts_with("//"), "no redirect to another host");
  }
  if (const auto* matched = std::get_if<http::Matched>(&found)) {
    for (const auto& [name, value] : matched->parameters) {
      fuzz::must(name == "path" || (!value.empty() && value.find('/') == std::string::npos),
                 "a parameter is a segment");
    }
  }
  static_cast<void>(http::refuse_origin(request, "127.0.0.1"));
  const std::string query = http::loggable_query(request.target);
  fuzz::must(query.size() <= 1024, "a logged query is bounded");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  const Outcome whole = parse(input.text, input.text.size() + 1);
  const Outcome pieces = parse(input.text, input.choice % 7 + 1);
  // A line that has not ended may already be known to be wrong, or not yet.
  const bool is_open = is_unfinished(whole) || is_unfinished(pieces);
  const bool is_refused = whole.fault != http::ParseFault::none;
  const bool has_fault = is_refused || pieces.fault != http::ParseFault::none;
  // One that is wrong and too long is refused for what is seen first.
  const bool are_both_refused = is_refused && pieces.fault != http::ParseFault::none;
  fuzz::must(whole == pieces || are_both_refused || (is_open && has_fault), "the cut makes no difference");
  use(input.text);
  return 0;
}
