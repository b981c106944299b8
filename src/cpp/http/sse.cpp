#include "http/sse.hpp"

#include <cstddef>
#include <utility>

namespace sandboxd::http {
namespace {

constexpr std::size_t kEventBytesMax = 16 * 1024 * 1024;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// One field that must stay one line: everything from a line end on would be read as another field.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value.substr(0, value.find_first_of("\r\n"));
  out += '\n';
}

}  // namespace

std::string format_sse(const SseEvent& event) {
  std::string out;
  out.reserve(event.data.size() + event.id.size() + event.event.size() + 32);
  if (!event.id.empty()) append_field(out, "id", event.id);
  if (!event.event.empty()) append_field(out, "event", event.event);
  std::string_view rest = event.data;
  while (true) {
    const std::size_t end = rest.find_first_of("\r\n");
    append_field(out, "data", rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(rest.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
  }
  out += '\n';
  return out;
}

std::string sse_keep_alive() { return ":\n\n"; }

void SseParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (skip_newline_) {
      skip_newline_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + event_.data.size() + part.size() > kEventBytesMax) {
      too_large_ = true;
      event_.data = {};
      line_ = ":";  // a comment: not empty, since the end of an empty line would end the event
    } else {
      line_ += part;
    }
    if (end == std::string_view::npos) return;
    skip_newline_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line();
  }
}

std::optional<SseEvent> SseParser::take() {
  if (ready_.empty()) return std::nullopt;
  std::optional<SseEvent> event = std::move(ready_.front());
  ready_.pop_front();
  return event;
}

void SseParser::end_line() {
  const std::string whole = std::exchange(line_, {});
  std::string_view line = whole;
  if (at_start_) {
    at_start_ = false;
    if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) {
    dispatch();
    return;
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);  // empty for comments
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (too_large_) return;
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.event = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    event_.id = value;
  }
}

void SseParser::dispatch() {
  if (too_large_) {
    overflowed_ = true;
  } else if (has_data_) {
    ready_.push_back({event_.id, event_.event, std::move(event_.data)});
  }
  event_.event.clear();
  event_.data = {};
  has_data_ = false;
  too_large_ = false;
}

}  // namespace sandboxd::http
