// Small things about descriptors, time and errors that every part of the agent needs.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace sandboxd::agent {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.number_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }
  void reset(int number = -1) {
    if (number_ >= 0) ::close(number_);
    number_ = number;
  }

 private:
  int number_ = -1;
};

// What went wrong, as it is told to the node. Good: error is 0.
struct Problem {
  int error = 0;
  std::string text;
  explicit operator bool() const { return error != 0; }
};

// strerror() would bring the C library's translations into the program.
[[nodiscard]] inline std::string errno_text(int error) {
  const char* text = ::strerrordesc_np(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}
[[nodiscard]] inline Problem problem(int error, std::string_view what) {
  return {error, std::string(what) + ": " + errno_text(error)};
}

[[nodiscard]] inline std::int64_t nanoseconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
[[nodiscard]] inline std::int64_t mono_ns() { return nanoseconds(CLOCK_MONOTONIC); }
[[nodiscard]] inline std::int64_t wall_ns() { return nanoseconds(CLOCK_REALTIME); }

// A regular file's text, at most `most` bytes of it. Never waits: special files are refused.
[[nodiscard]] std::optional<std::string> read_text(const char* path, std::size_t most);
// A file of /proc.
[[nodiscard]] inline std::string read_proc(const std::string& path, std::size_t most = 1 << 20) {
  return read_text(path.c_str(), most).value_or(std::string());
}

// Calls take(line) for every line of a text.
template <class Take>
void each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    take(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}
// The text before `mark`, which is removed from `text` with the mark.
inline std::string_view cut(std::string_view& text, char mark) {
  const std::size_t end = text.find(mark);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}
// A decimal number and nothing else.
[[nodiscard]] inline std::optional<std::uint32_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  std::uint64_t number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  if (number > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

}  // namespace sandboxd::agent
