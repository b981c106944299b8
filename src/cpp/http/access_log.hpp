// The line that each request leaves in the log: msg "http request" with one object `http`, as sandboxd-o writes it:
// method, path, status, latency (nanoseconds), ip, and query and user_agent when there are any; and our request_id.
// The ip is the peer's own: headers that claim another are anybody's word.
#pragma once

#include "base/log.hpp"
#include "base/time.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::http {

enum class AccessLog { off, failures, changes, all };
// "off", "failures" (400 and above), "changes" (failures, and what is no GET), "all".
[[nodiscard]] std::optional<AccessLog> parse_access_log(std::string_view text);

struct Access {
  std::string_view method;
  std::string_view path;
  std::string_view query;
  std::string_view user_agent;
  std::string_view peer_address;
  std::string_view request_id;
  int status = 0;
  Duration latency{};
};

// At level info when `what` wants it, else at debug. What is long is cut.
void log_access(const Log& log, AccessLog what, const Access& access);

// A query as it may be logged: values of parameters that look like secrets become "***".
[[nodiscard]] std::string loggable_query(std::string_view query);

}  // namespace sandboxd::http
