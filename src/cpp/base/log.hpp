// Structured logging: a short constant message plus key=value fields, one JSON object a line.
//
//   static const Log log("orch");
//   log.info("sandbox placed", {{"sandbox", id.str()}, {"node", node.str()}});
//
// Keys are constants; node and sandbox ids always stand under "node" and "sandbox". What a sandbox printed or named is
// only ever a value. `error` means that a human should look; the simulator fails a run that logs one. Thread-safe.
// spdlog does the writing and is seen by log.cpp alone.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace sandboxd {

enum class LogLevel { debug, info, warn, error, off };

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), text(v) {}
  LogField(std::string_view k, const char* v) : key(k), text(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), text(v) {}
  LogField(std::string_view k, std::integral auto v) : key(k), text(std::to_string(v)), is_number(true) {}

  std::string_view key;
  std::string text;
  bool is_number = false;
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

 private:
  std::string_view name_;
};

struct LogOptions {
  LogLevel level = LogLevel::info;
  std::string app = "sandboxd";  // the "app" attribute
  std::string file;              // also append to this file when not empty
};

// Below `error` to standard output, `error` to standard error, as the original systems do. Call once per process.
void configure_logging(const LogOptions& options);

// Tests and the simulator see every record that passes the level, instead of the sinks. Empty restores the sinks.
void set_log_observer(std::function<void(const LogRecord&)> observer);

}  // namespace sandboxd
