#include "http/access_log.hpp"

#include "http/message.hpp"
#include "http/text.hpp"

#include <array>
#include <utility>
#include <vector>

namespace sandboxd::http {
namespace {

constexpr std::size_t kPathMax = 1024;
constexpr std::size_t kQueryMax = 1024;
constexpr std::size_t kUserAgentMax = 256;
constexpr int kFirstFailure = 400;

bool is_wanted(AccessLog what, const Access& access) {
  switch (what) {
    case AccessLog::off: return false;
    case AccessLog::failures: return access.status >= kFirstFailure;
    case AccessLog::changes: return access.status >= kFirstFailure || access.method != "GET";
    case AccessLog::all: return true;
  }
  return true;
}

bool looks_secret(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kWords{"token", "secret", "passw", "key", "auth", "signature"};
  std::string lower = percent_decode(name);
  for (char& c : lower) c = ascii_lower(c);
  for (const std::string_view word : kWords) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

std::optional<AccessLog> parse_access_log(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, AccessLog>, 4> kNames{{{"off", AccessLog::off},
                                                                                 {"failures", AccessLog::failures},
                                                                                 {"changes", AccessLog::changes},
                                                                                 {"all", AccessLog::all}}};
  for (const auto& [name, value] : kNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

std::string loggable_query(std::string_view query) {
  std::string out;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const std::size_t equals = pair.find('=');
    if (!out.empty()) out += '&';
    if (equals != std::string_view::npos && looks_secret(pair.substr(0, equals))) {
      out += pair.substr(0, equals + 1);
      out += "***";
    } else {
      out += pair;
    }
  }
  if (out.size() > kQueryMax) out.resize(kQueryMax);
  return out;
}

void log_access(const Log& log, AccessLog what, const Access& access) {
  const LogLevel level = is_wanted(what, access) ? LogLevel::info : LogLevel::debug;
  if (!Log::enabled(level)) return;
  std::vector<LogField> http = {{"method", access.method},
                                {"path", access.path.substr(0, kPathMax)},
                                {"status", access.status},
                                {"latency", access.latency.count()},
                                {"ip", access.peer_address}};
  if (!access.query.empty()) http.emplace_back("query", loggable_query(access.query));
  if (!access.user_agent.empty()) http.emplace_back("user_agent", access.user_agent.substr(0, kUserAgentMax));
  http.emplace_back("request_id", access.request_id);
  log.bulk(level, "http request", {LogField::object("http", http)});
}

}  // namespace sandboxd::http
