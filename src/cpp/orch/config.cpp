#include "orch/config.hpp"

#include "sched/policy.hpp"

#include <array>
#include <string_view>

namespace sandboxd::orch {
namespace {

using Field = ConfigField<OrchConfig>;

constexpr std::array kFields{
    Field{"listen", &OrchConfig::listen, "Address and port to serve on.", "http_addr", "ORCH_HTTP_ADDR"},
    Field{"token", &OrchConfig::token, "Shared secret of clients; may be empty on a loopback address only.",
          "shared_secret", "SBX_SHARED_SECRET", true},
    Field{"data_dir", &OrchConfig::data_dir, "Directory of what must survive a reboot.", "", ""},
    Field{"run_dir", &OrchConfig::run_dir, "Directory of sockets and other things of this boot.", "", ""},
    Field{"database", &OrchConfig::database, "Path of the database; empty: orchestrator.db in data_dir.", "sqlite_path",
          "ORCH_SQLITE_PATH"},
    Field{"app_env", &OrchConfig::app_env, "Suffix of the app attribute in log lines.", "app_env", "APP_ENV"},
    Field{"log_level", &OrchConfig::log_level, "debug, info, warn, error or off.", "", ""},
    Field{"log_dir", &OrchConfig::log_dir, "Directory of log files; empty: none.", "log_dir", "ORCH_LOG_DIR"},
    Field{"log_file_prefix", &OrchConfig::log_file_prefix, "How the names of log files begin.", "log_file_prefix",
          "ORCH_LOG_FILE_PREFIX"},
    Field{"heartbeat_interval", &OrchConfig::heartbeat_interval, "Time between two looks at a node that is polled.",
          "heartbeat_interval", "ORCH_HEARTBEAT_INTERVAL"},
    Field{"probe_timeout", &OrchConfig::probe_timeout, "Time limit of a health probe and of opening a node's stream.",
          "probe_timeout", "ORCH_NODE_PROBE_TIMEOUT"},
    Field{"sandbox_op_timeout", &OrchConfig::sandbox_op_timeout, "Time limit of one call to a node.",
          "sandbox_op_timeout", "ORCH_SANDBOX_OP_TIMEOUT"},
    Field{"ready_success_threshold", &OrchConfig::ready_success_threshold,
          "Successful probes in a row that make a polled node Ready.", "ready_success_threshold",
          "ORCH_READY_SUCCESS_THRESHOLD"},
    Field{"notready_failure_threshold", &OrchConfig::notready_failure_threshold,
          "Failed probes in a row that make a node NotReady.", "notready_failure_threshold",
          "ORCH_NOTREADY_FAILURE_THRESHOLD"},
    Field{"shutdown_timeout", &OrchConfig::shutdown_timeout, "Time for requests in hand when stopping.",
          "shutdown_timeout", "ORCH_SHUTDOWN_TIMEOUT"},
    Field{"host_port_min", &OrchConfig::host_port_min, "First host port for published ports.", "host_port_min",
          "ORCH_HOSTPORT_MIN"},
    Field{"host_port_max", &OrchConfig::host_port_max, "Last host port for published ports.", "host_port_max",
          "ORCH_HOSTPORT_MAX"},
    Field{"host_port_quarantine", &OrchConfig::host_port_quarantine,
          "Time before a released host port is given out again.", "", ""},
    Field{"place_or_fail", &OrchConfig::place_or_fail,
          "What happens to a sandbox that fits nowhere: queue (wait for capacity) or fail (at once).", "", ""},
    Field{"place_deadline", &OrchConfig::place_deadline, "Longest wait for capacity before a sandbox fails.", "", ""},
    Field{"scheduler_policy", &OrchConfig::scheduler_policy,
          "How nodes are chosen: spread, pack, original (CPU alone), or a policy as JSON; @PATH reads it from a file.",
          "", ""},
    Field{"node_token", &OrchConfig::node_token, "Shared secret sent to nodes; empty: the same as token.", "", "",
          true},
};

void check_positive(std::vector<std::string>& problems, std::string_view name, Duration value) {
  if (value.count() <= 0) problems.push_back(std::string(name) + ": must be longer than 0");
}

}  // namespace

std::span<const ConfigField<OrchConfig>> OrchConfig::fields() { return kFields; }

std::vector<std::string> OrchConfig::validate() const {
  std::vector<std::string> problems;
  if (listen.rfind(':') == std::string::npos) {
    problems.push_back("listen: \"" + listen + "\" has no port; write ADDRESS:PORT, such as 127.0.0.1:8082");
  }
  if (data_dir.empty()) problems.emplace_back("data_dir: must not be empty; name a directory");
  if (run_dir.empty()) problems.emplace_back("run_dir: must not be empty; name a directory");
  static constexpr std::array<std::string_view, 5> kLevels{"debug", "info", "warn", "error", "off"};
  bool level_known = false;
  for (const std::string_view level : kLevels) level_known = level_known || level == log_level;
  if (!level_known) problems.push_back("log_level: \"" + log_level + "\" is not debug, info, warn, error or off");
  check_positive(problems, "heartbeat_interval", heartbeat_interval);
  check_positive(problems, "probe_timeout", probe_timeout);
  check_positive(problems, "sandbox_op_timeout", sandbox_op_timeout);
  check_positive(problems, "shutdown_timeout", shutdown_timeout);
  check_positive(problems, "place_deadline", place_deadline);
  if (host_port_quarantine.count() < 0) problems.emplace_back("host_port_quarantine: must not be negative");
  if (ready_success_threshold < 1) problems.emplace_back("ready_success_threshold: must be at least 1");
  if (notready_failure_threshold < 1) problems.emplace_back("notready_failure_threshold: must be at least 1");
  if (host_port_min < 1 || host_port_max > 65535 || host_port_min > host_port_max) {
    problems.push_back("host_port_min, host_port_max: " + std::to_string(host_port_min) + " to " +
                       std::to_string(host_port_max) + " is not a range within 1 to 65535");
  }
  if (place_or_fail != "queue" && place_or_fail != "fail") {
    problems.push_back("place_or_fail: \"" + place_or_fail + "\" is neither queue nor fail");
  }
  if (const auto policy = sched::parse_policy(scheduler_policy); !policy)
    problems.push_back("scheduler_policy: " + policy.error().message());
  return problems;
}

std::string OrchConfig::database_path() const { return database.empty() ? data_dir + "/orchestrator.db" : database; }

}  // namespace sandboxd::orch
