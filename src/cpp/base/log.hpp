// Structured logging: a short constant message plus key=value fields, one JSON object a line.
//
//   static const Log log("orch");
//   log.info("sandbox placed", {{"sandbox", id.str()}, {"node", node.str()}});
//
// Keys are constants; node and sandbox ids always stand under "node" and "sandbox". What a sandbox printed or named is
// only ever a value, and a secret is never one. `error` means that a human should look; the simulator fails a run that
// logs one. Every line begins with ts (local time, nanoseconds, offset), level, msg, app and logger. Thread-safe.
//
// Nobody waits for a log line: once start_log_writer() was called, lines go through a bounded queue to a thread that
// writes them (log_writer.hpp says how durable they are). Before, as in a library or a test, they are written at once,
// to standard error: standard output is the host's.
#pragma once

#include "base/log_keep.hpp"
#include "base/result.hpp"

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd {

enum class LogLevel { debug, info, warn, error, off };
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view text);  // "debug", "info", ...

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), text(v) {}
  LogField(std::string_view k, const char* v) : key(k), text(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), text(v) {}
  LogField(std::string_view k, std::integral auto v) : key(k), text(std::to_string(v)), is_json(true) {}
  // A nested object: LogField::object("http", {{"method", m}, {"status", 200}}).
  [[nodiscard]] static LogField object(std::string_view key, const std::vector<LogField>& members);

  std::string_view key;
  std::string text;
  bool is_json = false;  // `text` is JSON already: a number or an object
};

struct LogRecord {
  LogLevel level;
  std::string_view logger;
  std::string_view message;
  std::string_view line;  // the complete JSON object
};

class Log {
 public:
  explicit constexpr Log(std::string_view name) : name_(name) {}

  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  // For lines whose fields are put together at run time.
  void plain(LogLevel level, std::string_view message, const std::vector<LogField>& fields) const;
  // For lines of which there may be thousands a second, such as one a request: the first ones to be dropped, and
  // counted, when the writer falls behind.
  void bulk(LogLevel level, std::string_view message, const std::vector<LogField>& fields) const;
  // Whether a line of this level goes anywhere. Ask before fields that cost something are put together.
  [[nodiscard]] static bool enabled(LogLevel level);

 private:
  std::string_view name_;
};

struct LogOptions {
  LogLevel level = LogLevel::info;
  std::string app = "sandboxd";  // the "app" attribute
};

// What is logged, and as whom. May be called again.
void configure_logging(const LogOptions& options);
void set_log_level(LogLevel level);

// From here on a thread of its own writes: below `error` to standard output, `error` to standard error, and everything
// to <directory>/<prefix>-YYYYMMDD-HH.log (UTC) when a directory is given, of which `keep` are kept. Again: to another
// directory. Errors: those of making the directory and opening the file; then nothing has changed.
[[nodiscard]] Result<void> start_log_writer(const std::string& directory, const std::string& prefix,
                                            const LogKeep& keep = {});
// Returns when everything logged before is written, or after two seconds. Also done when the process ends.
void flush_log();
// Lines that the writer could not take since the process began.
struct LogDrops {
  std::uint64_t bulk = 0;
  std::uint64_t other = 0;
};
[[nodiscard]] LogDrops log_drops();

// Tests and the simulator see every record that passes the level, instead of the sinks. Empty restores the sinks.
void set_log_observer(std::function<void(const LogRecord&)> observer);

}  // namespace sandboxd
