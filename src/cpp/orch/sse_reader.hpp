// Events out of a node's stream, for the core, which knows no HTTP: the plain form that our nodes write, with lines
// that end in LF. Everything else is http/sse.hpp's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::orch {

class SseReader {
 public:
  struct Event {
    std::string name;
    std::string data;
  };

  void feed(std::string_view bytes) { text_ += bytes; }

  // The next whole event; comments are skipped.
  [[nodiscard]] std::optional<Event> take() {
    for (;;) {
      const std::size_t end = text_.find("\n\n");
      if (end == std::string::npos) return std::nullopt;
      Event event;
      std::string_view block = std::string_view(text_).substr(0, end);
      while (!block.empty()) {
        const std::string_view line = block.substr(0, block.find('\n'));
        block.remove_prefix(line.size() < block.size() ? line.size() + 1 : line.size());
        if (line.starts_with("event: ")) event.name = line.substr(7);
        if (line.starts_with("data: ")) event.data += line.substr(6);
      }
      text_.erase(0, end + 2);
      if (!event.data.empty()) return event;
    }
  }

 private:
  std::string text_;
};

}  // namespace sandboxd::orch
