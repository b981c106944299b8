// Server-sent events (WHATWG HTML, section 9.2): writing and reading them.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::http {

struct SseEvent {
  std::string id;
  std::string event;  // the type; empty means "message"
  std::string data;
};

// One event as it goes over the wire, with its empty line. `data` may hold line ends (which arrive as LF); `id` and
// `event` are one line each.
[[nodiscard]] std::string format_sse(const SseEvent& event);
// A comment line, which clients ignore: keeps the connection alive.
[[nodiscard]] std::string sse_keep_alive();

// Feed bytes, in any pieces; take complete events. As the standard says: lines end with CR, LF or CRLF; an `id` without
// NUL is remembered and stands in every later event; an event without data is not one; an event that the stream ends in
// the middle of is dropped; `retry` is ignored. An event with more than 16 MiB is dropped with `overflowed()` set.
class SseParser {
 public:
  void feed(std::string_view bytes);
  [[nodiscard]] std::optional<SseEvent> take();
  [[nodiscard]] bool overflowed() const { return overflowed_; }

 private:
  void end_line();
  void dispatch();

  std::string line_;
  SseEvent event_;  // under construction; its id is the stream's last one
  bool has_data_ = false;
  bool too_large_ = false;     // the event under construction is to be dropped
  bool at_start_ = true;       // a byte order mark may still come
  bool skip_newline_ = false;  // the last byte was a CR
  bool overflowed_ = false;
  std::deque<SseEvent> ready_;
};

}  // namespace sandboxd::http
