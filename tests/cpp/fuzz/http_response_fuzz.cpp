// Answers of a node, and its event stream: bounded, and the same however the bytes are cut.
#include "fuzz.hpp"
#include "http/parser.hpp"
#include "http/sse.hpp"

#include <string>
#include <vector>

namespace {

using namespace sandboxd;

constexpr std::size_t kHeaderMax = 2048;
constexpr std::size_t kBodyMax = 4096;

struct Outcome {
  http::ParseFault fault = http::ParseFault::none;
  int status = 0;
  std::string body;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome parse(std::string_view text, std::size_t step, bool has_body) {
  http::ResponseParser parser(kHeaderMax, has_body);
  std::string buffer;
  Outcome out;
  bool is_limited = false;
  for (std::size_t at = 0; at < text.size() && parser.fault() == http::ParseFault::none; at += step) {
    buffer += text.substr(at, step);
    while (!parser.is_done() && parser.fault() == http::ParseFault::none) {
      const std::size_t used = parser.feed(buffer);
      buffer.erase(0, used);
      if (parser.has_header() && !is_limited) {
        is_limited = true;
        parser.set_body_limit(kBodyMax);
      }
      out.body += parser.take_body();
      if (used == 0 || buffer.empty()) break;
    }
  }
  parser.feed_end();
  out.body += parser.take_body();
  fuzz::must(out.body.size() <= kBodyMax, "a body is bounded");
  out.fault = parser.fault();
  if (out.fault != http::ParseFault::none) return {out.fault, 0, {}};
  out.status = parser.status();
  return out;
}

std::vector<std::string> events(std::string_view text, std::size_t step) {
  http::SseParser parser;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size(); at += step) {
    parser.feed(text.substr(at, step));
    while (const auto event = parser.take()) out.push_back(event->id + '\0' + event->event + '\0' + event->data);
  }
  return out;
}

void check_round_trip(std::string_view text) {
  http::SseEvent event;
  event.event = "sandbox";
  event.data = text;
  http::SseParser parser;
  parser.feed(http::format_sse(event));
  const auto back = parser.take();
  fuzz::must(back.has_value() || text.empty(), "what is written can be read");
  fuzz::must(!parser.take().has_value(), "one event stays one");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  const std::size_t whole = input.text.size() + 1;
  const std::size_t step = input.choice % 7 + 1;
  const bool has_body = input.choice % 2 == 0;
  const Outcome at_once = parse(input.text, whole, has_body);
  const Outcome in_pieces = parse(input.text, step, has_body);
  // One that is wrong and too long is refused for what is seen first.
  const bool are_both_refused = at_once.fault != http::ParseFault::none && in_pieces.fault != http::ParseFault::none;
  fuzz::must(at_once == in_pieces || are_both_refused, "the cut makes no difference");
  fuzz::must(events(input.text, whole) == events(input.text, step), "the cut makes no difference to events");
  check_round_trip(input.text);
  return 0;
}
