// Server-sent events (WHATWG HTML, section 9.2): writing and reading them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::http {

struct SseEvent {
  std::string id;
  std::string event;  // the type; empty means "message"
  std::string data;
};

// One event as it goes over the wire, with its empty line. `data` may hold newlines.
[[nodiscard]] std::string format_sse(const SseEvent& event);
// A comment line, which clients ignore: keeps the connection alive.
[[nodiscard]] std::string sse_keep_alive();

// Feed bytes, take complete events. Lines over 16 MiB are dropped with `overflowed()` set.
class SseParser {
 public:
  void feed(std::string_view bytes);
  [[nodiscard]] std::optional<SseEvent> take();
  [[nodiscard]] bool overflowed() const { return overflowed_; }

 private:
  std::string buffer_;
  bool overflowed_ = false;
};

}  // namespace sandboxd::http
