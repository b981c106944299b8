#include "base/log.hpp"

#include "base/time.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

namespace sandboxd {
namespace {

struct Sinks {
  std::mutex mutex;
  LogLevel level = LogLevel::info;
  std::string app = "sandboxd";
  std::shared_ptr<spdlog::logger> out;
  std::shared_ptr<spdlog::logger> err;
  std::shared_ptr<spdlog::logger> file;
  std::function<void(const LogRecord&)> observer;
};

std::shared_ptr<spdlog::logger> make_logger(const char* name, spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>(name, std::move(sink));
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::info);
  return logger;
}

Sinks& sinks() {
  static Sinks instance;
  return instance;
}

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        // Bytes outside printable ASCII are escaped one by one: a log line is always valid JSON, whatever a sandbox
        // called itself.
        if (byte < 0x20 || byte >= 0x7f) {
          out += "\\u00";
          out += kHex[byte >> 4];
          out += kHex[byte & 15];
        } else {
          out += c;
        }
    }
  }
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    default: return "error";
  }
}

void write(LogLevel level, std::string_view logger, std::string_view message, std::initializer_list<LogField> fields) {
  Sinks& s = sinks();
  const std::scoped_lock lock(s.mutex);
  if (level < s.level) return;
  // Log time stamps are the one place below the ports that reads the clock: they decide nothing.
  const WallTime now{std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count()};
  std::string line = R"({"ts":")" + format_rfc3339_fixed(now) + R"(","level":")";
  line += level_name(level);
  line += R"(","msg":")";
  append_escaped(line, message);
  line += R"(","app":")";
  append_escaped(line, s.app);
  line += R"(","logger":")";
  append_escaped(line, logger);
  line += '"';
  for (const LogField& field : fields) {
    line += ",\"";
    append_escaped(line, field.key);
    line += "\":";
    if (field.is_number) {
      line += field.text;
    } else {
      line += '"';
      append_escaped(line, field.text);
      line += '"';
    }
  }
  line += '}';
  if (s.observer) {
    s.observer(LogRecord{level, logger, message, line});
    return;
  }
  if (!s.out) {
    s.out = make_logger("out", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    s.err = make_logger("err", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  }
  const spdlog::string_view_t view(line.data(), line.size());
  (level == LogLevel::error ? s.err : s.out)->log(spdlog::level::critical, view);
  if (s.file) s.file->log(spdlog::level::critical, view);
}

}  // namespace

void Log::debug(std::string_view message, std::initializer_list<LogField> fields) const {
  write(LogLevel::debug, name_, message, fields);
}
void Log::info(std::string_view message, std::initializer_list<LogField> fields) const {
  write(LogLevel::info, name_, message, fields);
}
void Log::warn(std::string_view message, std::initializer_list<LogField> fields) const {
  write(LogLevel::warn, name_, message, fields);
}
void Log::error(std::string_view message, std::initializer_list<LogField> fields) const {
  write(LogLevel::error, name_, message, fields);
}

void configure_logging(const LogOptions& options) {
  Sinks& s = sinks();
  const std::scoped_lock lock(s.mutex);
  s.level = options.level;
  s.app = options.app;
  s.file = options.file.empty()
               ? nullptr
               : make_logger("file", std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file));
}

void set_log_observer(std::function<void(const LogRecord&)> observer) {
  Sinks& s = sinks();
  const std::scoped_lock lock(s.mutex);
  s.observer = std::move(observer);
}

}  // namespace sandboxd
