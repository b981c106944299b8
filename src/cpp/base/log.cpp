#include "base/log.hpp"

#include "base/log_writer.hpp"
#include "base/time.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>
#include <utility>

namespace sandboxd {
namespace {

constexpr int kStandardError = 2;
constexpr Duration kFlushPatience = std::chrono::seconds(2);
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

struct Logging {
  std::atomic<LogLevel> level = LogLevel::info;
  std::mutex mutex;  // of what stands below
  std::string app = "sandboxd";
  std::shared_ptr<LogWriter> writer;
  std::shared_ptr<std::function<void(const LogRecord&)>> observer;
  std::mutex observing;  // an observer is never called by two threads at once
};

// Never destroyed: threads may log until the very end of the process.
Logging& logging() {
  static Logging& instance = *new Logging;
  return instance;
}

// Log time stamps are the one place below the ports that reads the clock: they decide nothing.
WallTime wall_now() {
  return {std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count()};
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

// "2026-01-02T03:04:05.000000006+01:00". The part down to the second is kept: lines come many a second.
void append_local_time(std::string& out, WallTime at) {
  struct Kept {
    std::int64_t second = -1;
    std::string text;
    std::string offset;
  };
  thread_local Kept kept;
  const std::int64_t second = at.ns / kNsPerSecond;
  if (second != kept.second) {
    const auto time = static_cast<std::time_t>(second);
    std::tm local{};
    localtime_r(&time, &local);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &local);
    kept.second = second;
    kept.text = text.data();
    const long minutes = local.tm_gmtoff / 60;
    std::snprintf(text.data(), text.size(), "%c%02ld:%02ld", minutes < 0 ? '-' : '+', std::abs(minutes) / 60,
                  std::abs(minutes) % 60);
    kept.offset = minutes == 0 ? "Z" : text.data();
  }
  std::array<char, 16> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%09lld", static_cast<long long>(at.ns % kNsPerSecond));
  out += kept.text;
  out += fraction.data();
  out += kept.offset;
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    default: return "error";
  }
}

void append_member(std::string& line, const LogField& field) {
  line += '"';
  append_escaped(line, field.key);
  line += "\":";
  if (field.is_json) {
    line += field.text;
    return;
  }
  line += '"';
  append_escaped(line, field.text);
  line += '"';
}

template <class Fields>
std::string format_line(LogLevel level, std::string_view app, std::string_view logger, std::string_view message,
                        const Fields& fields) {
  std::string line = R"({"ts":")";
  append_local_time(line, wall_now());
  line += R"(","level":")";
  line += level_name(level);
  line += R"(","msg":")";
  append_escaped(line, message);
  line += R"(","app":")";
  append_escaped(line, app);
  line += R"(","logger":")";
  append_escaped(line, logger);
  line += '"';
  for (const LogField& field : fields) {
    line += ',';
    append_member(line, field);
  }
  line += '}';
  return line;
}

// The observer of now, which may be another than a moment ago, or none.
void observe(const LogRecord& record) {
  Logging& log = logging();
  const std::scoped_lock lock(log.observing);
  std::shared_ptr<std::function<void(const LogRecord&)>> observer;
  {
    const std::scoped_lock inner(log.mutex);
    observer = log.observer;
  }
  if (observer) (*observer)(record);
}

template <class Fields>
void write(LogLevel level, LogWriter::Kind kind, std::string_view logger, std::string_view message,
           const Fields& fields) {
  if (!Log::enabled(level)) return;
  Logging& log = logging();
  std::shared_ptr<LogWriter> writer;
  std::shared_ptr<std::function<void(const LogRecord&)>> observer;
  std::string app;
  {
    const std::scoped_lock lock(log.mutex);
    writer = log.writer;
    observer = log.observer;
    app = log.app;
  }
  const std::string line = format_line(level, app, logger, message, fields);
  if (observer) {
    observe(LogRecord{level, logger, message, line});
    return;
  }
  if (writer) {
    writer->put(line, kind);
    return;
  }
  const std::string whole = line + "\n";
  static_cast<void>(write_all(kStandardError, whole));
}

template <class Fields>
void write_plain(LogLevel level, std::string_view logger, std::string_view message, const Fields& fields) {
  write(level, level == LogLevel::error ? LogWriter::Kind::error : LogWriter::Kind::plain, logger, message, fields);
}

std::string drops_line(std::uint64_t bulk, std::uint64_t other) {
  std::string app;
  {
    const std::scoped_lock lock(logging().mutex);
    app = logging().app;
  }
  const std::initializer_list<LogField> fields = {{"access", bulk}, {"other", other}};
  return format_line(LogLevel::warn, app, "log", "log lines dropped: more came than could be written", fields);
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
    if (level_name(level) == text) return level;
  }
  if (text == "off") return LogLevel::off;
  return std::nullopt;
}

LogField LogField::object(std::string_view key, const std::vector<LogField>& members) {
  std::string text = "{";
  for (const LogField& member : members) {
    if (text.size() > 1) text += ',';
    append_member(text, member);
  }
  LogField field(key, text + "}");
  field.is_json = true;
  return field;
}

void Log::debug(std::string_view message, std::initializer_list<LogField> fields) const {
  write_plain(LogLevel::debug, name_, message, fields);
}
void Log::info(std::string_view message, std::initializer_list<LogField> fields) const {
  write_plain(LogLevel::info, name_, message, fields);
}
void Log::warn(std::string_view message, std::initializer_list<LogField> fields) const {
  write_plain(LogLevel::warn, name_, message, fields);
}
void Log::error(std::string_view message, std::initializer_list<LogField> fields) const {
  write_plain(LogLevel::error, name_, message, fields);
}
void Log::plain(LogLevel level, std::string_view message, const std::vector<LogField>& fields) const {
  write_plain(level, name_, message, fields);
}
void Log::bulk(LogLevel level, std::string_view message, const std::vector<LogField>& fields) const {
  write(level, LogWriter::Kind::bulk, name_, message, fields);
}

bool Log::enabled(LogLevel level) { return level >= logging().level.load(std::memory_order_relaxed); }

void configure_logging(const LogOptions& options) {
  set_log_level(options.level);
  const std::scoped_lock lock(logging().mutex);
  logging().app = options.app;
}

void set_log_level(LogLevel level) { logging().level.store(level, std::memory_order_relaxed); }

Result<void> start_log_writer(const std::string& directory, const std::string& prefix, const LogKeep& keep) {
  LogWriter::Options options;
  options.now = wall_now;
  options.drops_line = drops_line;
  if (!directory.empty()) {
    SBX_TRY(file, HourlyFile::open(directory, prefix, wall_now(), keep));
    options.file = std::move(file);
  }
  auto writer = std::make_shared<LogWriter>(std::move(options));
  static const int registered = std::atexit(flush_log);
  static_cast<void>(registered);
  const std::scoped_lock lock(logging().mutex);
  std::swap(logging().writer, writer);
  return {};
}

void flush_log() {
  std::shared_ptr<LogWriter> writer;
  {
    const std::scoped_lock lock(logging().mutex);
    writer = logging().writer;
  }
  if (writer) writer->flush(kFlushPatience);
}

LogDrops log_drops() {
  std::shared_ptr<LogWriter> writer;
  {
    const std::scoped_lock lock(logging().mutex);
    writer = logging().writer;
  }
  if (!writer) return {};
  return {writer->bulk_drops(), writer->other_drops()};
}

void set_log_observer(std::function<void(const LogRecord&)> observer) {
  Logging& log = logging();
  auto next = observer ? std::make_shared<std::function<void(const LogRecord&)>>(std::move(observer)) : nullptr;
  const std::scoped_lock lock(log.observing, log.mutex);  // nobody is inside the former one when this returns
  log.observer = std::move(next);
}

}  // namespace sandboxd
