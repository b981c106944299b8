#include "orch/config.hpp"

#include "base/endpoint.hpp"
#include "base/log.hpp"
#include "sched/policy.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace sandboxd::orch {
namespace {

using C = OrchConfig;
using Field = ConfigField<C>;

constexpr Field field(std::string_view name, ConfigMember<C> member, std::string_view description,
                      std::string_view original_key = {}, std::string_view original_env = {}) {
  return {name, member, description, original_key, original_env};
}
constexpr Field secret(Field row) {
  row.is_secret = true;
  return row;
}
constexpr Field reloadable(Field row) {
  row.is_reloadable = true;
  return row;
}
// As the original reads it: `low` in place of what is too low, `otherwise` when its file does not say.
constexpr Field lenient(Field row, std::string_view low, std::string_view otherwise = {}) {
  row.original_low = low;
  row.original_default = otherwise;
  return row;
}

constexpr std::array kFields{
    lenient(field("listen", &C::listen, "Address and port to serve on.", "http_addr", "ORCH_HTTP_ADDR"), {}, ":8082"),
    field("proxy_listen", &C::proxy_listen,
          "Addresses and ports of the reverse proxy, separated by commas; the first one's port stands in sandboxes' "
          "URLs; empty: none.",
          {}, "PROXY_ADDR"),
    field("base_domain", &C::base_domain, "The reverse proxy serves <sandbox name>.<base_domain>.", {}, "BASE_DOMAIN"),
    field(
        "trusted_proxies", &C::trusted_proxies,
        "Addresses whose Forwarded and X-Forwarded headers the reverse proxy passes on; those of others are dropped."),
    reloadable(secret(field("token", &C::token, "Shared secret of clients; may be empty on a loopback address only.",
                            "shared_secret", "SBX_SHARED_SECRET"))),
    reloadable(secret(field("more_tokens", &C::more_tokens,
                            "Further secrets that clients may use, such as the last one while it is being changed."))),
    reloadable(secret(field("api_key", &C::api_key, "API key of Opensbx clients; every dialect takes it as a token.",
                            {}, "API_KEY"))),
    field("dialects", &C::dialects, "API dialects that are served: sandboxd_o (/api/v1), opensbx (/v1)."),
    reloadable(secret(field("node_token", &C::node_token, "Shared secret sent to nodes; empty: the same as token."))),
    field("data_dir", &C::data_dir, "Directory of what must survive a reboot."),
    field("run_dir", &C::run_dir, "Directory of sockets and other things of this boot."),
    field("database", &C::database, "Path of the database; empty: orchestrator.db in data_dir.", "sqlite_path",
          "ORCH_SQLITE_PATH"),
    field("app_env", &C::app_env, "Suffix of the app attribute in log lines.", "app_env", "APP_ENV"),
    reloadable(field("log_level", &C::log_level, "debug, info, warn, error or off.")),
    field("log_dir", &C::log_dir, "Directory of hourly log files; empty: none.", "log_dir", "ORCH_LOG_DIR"),
    field("log_file_prefix", &C::log_file_prefix, "How the names of log files begin.", "log_file_prefix",
          "ORCH_LOG_FILE_PREFIX"),
    lenient(field("log_keep_files", &C::log_keep_files,
                  "Hourly log files that are kept; older ones are removed with each new one; 0: all."),
            {}, "0"),
    lenient(field("log_keep_bytes", &C::log_keep_bytes, "Bytes of hourly log files that are kept; 0: all."), {}, "0"),
    reloadable(field("access_log", &C::access_log,
                     "Requests that are logged: all, changes (and failures), failures (400 and above) or off.")),
    reloadable(
        lenient(field("heartbeat_interval", &C::heartbeat_interval, "Time between two looks at a node that is polled.",
                      "heartbeat_interval", "ORCH_HEARTBEAT_INTERVAL"),
                "10s")),
    reloadable(lenient(
        field("probe_timeout", &C::probe_timeout, "Time limit of a health probe and of opening a node's stream.",
              "probe_timeout", "ORCH_NODE_PROBE_TIMEOUT"),
        "3s")),
    reloadable(lenient(field("sandbox_op_timeout", &C::sandbox_op_timeout, "Time limit of one call to a node.",
                             "sandbox_op_timeout", "ORCH_SANDBOX_OP_TIMEOUT"),
                       "60s")),
    reloadable(lenient(field("ready_success_threshold", &C::ready_success_threshold,
                             "Successful probes in a row that make a polled node Ready.", "ready_success_threshold",
                             "ORCH_READY_SUCCESS_THRESHOLD"),
                       "1")),
    reloadable(lenient(field("notready_failure_threshold", &C::notready_failure_threshold,
                             "Failed probes in a row that make a node NotReady.", "notready_failure_threshold",
                             "ORCH_NOTREADY_FAILURE_THRESHOLD"),
                       "1")),
    reloadable(lenient(field("shutdown_timeout", &C::shutdown_timeout, "Time for requests in hand when stopping.",
                             "shutdown_timeout", "ORCH_SHUTDOWN_TIMEOUT"),
                       "5s")),
    lenient(field("host_port_min", &C::host_port_min, "First host port for published ports.", "host_port_min",
                  "ORCH_HOSTPORT_MIN"),
            "10000"),
    lenient(field("host_port_max", &C::host_port_max, "Last host port for published ports.", "host_port_max",
                  "ORCH_HOSTPORT_MAX"),
            "32767"),
    field("host_port_quarantine", &C::host_port_quarantine, "Time before a released host port is given out again."),
    reloadable(field("place_or_fail", &C::place_or_fail,
                     "What happens to a sandbox that fits nowhere: queue (wait for capacity) or fail (at once).")),
    reloadable(field("place_deadline", &C::place_deadline, "Longest wait for capacity before a sandbox fails.")),
    reloadable(lenient(
        field("create_rps", &C::create_rps, "Sandbox creates a second that are let in, over all clients; 0: no limit.",
              "create_rps", "ORCH_CREATE_RPS"),
        "20")),
    reloadable(lenient(
        field("create_burst", &C::create_burst, "Sandbox creates that may come at once before create_rps holds.",
              "create_burst", "ORCH_CREATE_BURST"),
        "40")),
    field("scheduler_policy", &C::scheduler_policy,
          "How nodes are chosen: spread, pack, original (CPU alone), or a policy as JSON; @PATH reads it from a file."),
    reloadable(field("opensbx_strict", &C::opensbx_strict,
                     "Opensbx routes answer as the original also where it hides failures.")),
    reloadable(field("opensbx_request_percent", &C::opensbx_request_percent,
                     "Of the limits of a sandbox made through Opensbx, how many per cent are reserved on its node.")),
    field("orphan_grace", &C::orphan_grace,
          "Time before something on a node that this control plane made and does not know any more is removed."),
    field("failed_retention", &C::failed_retention, "Time that failed sandboxes are kept; 0s: until they are deleted."),
    lenient(field("resource_sync_interval", &C::resource_sync_interval,
                  "Longest time between two reads of a polled node's resources.", "resource_sync_interval",
                  "ORCH_RESOURCE_SYNC_INTERVAL"),
            "30s"),
    lenient(field("status_sync_interval", &C::status_sync_interval,
                  "Longest time between two looks at the sandboxes of a polled node.", "status_sync_interval",
                  "ORCH_STATUS_SYNC_INTERVAL"),
            "20s"),
    lenient(field("status_sync_timeout", &C::status_sync_timeout, "Time limit of one batch of a polled node.",
                  "status_sync_timeout", "ORCH_STATUS_SYNC_TIMEOUT"),
            "5s"),
    lenient(field("status_sync_batch_size", &C::status_sync_batch_size,
                  "Sandboxes in one question to a polled node; at most 200, which is all that a node takes.",
                  "status_sync_batch_size", "ORCH_STATUS_SYNC_BATCH_SIZE"),
            "50"),
};

// Loops and batches of the original that do not exist here: nothing is polled in the normal way.
constexpr std::array kForeign{
    ForeignSetting{"heartbeat_parallel", "ORCH_HEARTBEAT_PARALLEL", "bool"},
    ForeignSetting{"heartbeat_max_parallel", "ORCH_HEARTBEAT_MAX_PARALLEL", "int"},
    ForeignSetting{"resource_persist_min_interval", "ORCH_RESOURCE_PERSIST_MIN_INTERVAL", "duration"},
    ForeignSetting{"resource_persist_max_interval", "ORCH_RESOURCE_PERSIST_MAX_INTERVAL", "duration"},
    ForeignSetting{"scheduler_interval", "ORCH_SCHEDULER_INTERVAL", "duration"},
    ForeignSetting{"reconcile_interval", "ORCH_RECONCILE_INTERVAL", "duration"},
    ForeignSetting{"status_sync_max_parallel", "ORCH_STATUS_SYNC_MAX_PARALLEL", "int"},
};

void check_positive(std::vector<std::string>& problems, std::string_view name, Duration value) {
  if (value.count() <= 0) problems.push_back(std::string(name) + ": must be longer than 0");
}

void check_choice(std::vector<std::string>& problems, std::string_view name, const std::string& value,
                  std::initializer_list<std::string_view> choices) {
  if (std::ranges::find(choices, value) != choices.end()) return;
  std::string text;
  for (const std::string_view choice : choices) text += (text.empty() ? "" : ", ") + std::string(choice);
  problems.push_back(std::string(name) + ": \"" + value + "\" is none of " + text);
}

void check_rate(std::vector<std::string>& problems, const OrchConfig& config) {
  if (config.create_rps < 0) problems.emplace_back("create_rps: must not be negative; 0 means no limit");
  if (config.create_burst < 1) problems.emplace_back("create_burst: must be at least 1");
}

}  // namespace

std::span<const ConfigField<OrchConfig>> OrchConfig::fields() { return kFields; }
std::span<const ForeignSetting> OrchConfig::foreign_settings() { return kForeign; }

Result<std::vector<Endpoint>> OrchConfig::proxy_endpoints() const {
  std::vector<Endpoint> out;
  std::string_view rest = proxy_listen;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (item.empty()) continue;
    SBX_TRY(endpoint, parse_endpoint(item));
    out.push_back(std::move(endpoint));
  }
  return out;
}

std::vector<std::string> OrchConfig::validate() const {
  std::vector<std::string> problems;
  const auto endpoint = parse_endpoint(listen);
  if (!endpoint) problems.push_back("listen: " + endpoint.error().message());
  if (const auto proxies = proxy_endpoints(); !proxies) {
    problems.push_back("proxy_listen: " + proxies.error().message());
  }
  if (base_domain.empty() || base_domain.find_first_of(" :/") != std::string::npos) {
    problems.push_back("base_domain: \"" + base_domain + "\" is no domain name; \"localhost\" is the default");
  }
  if (token.empty() && api_key.empty() && !more_tokens.empty()) {
    problems.emplace_back("more_tokens: there is no token that they could stand beside; set token too");
  }
  if (data_dir.empty()) problems.emplace_back("data_dir: must not be empty; name a directory");
  if (run_dir.empty()) problems.emplace_back("run_dir: must not be empty; name a directory");
  if (database == ":memory:") {
    problems.emplace_back("database: :memory: would lose every sandbox with the process; name a file");
  }
  if (!parse_log_level(log_level)) {
    problems.push_back("log_level: \"" + log_level + "\" is not debug, info, warn, error or off");
  }
  if (log_file_prefix.empty() || log_file_prefix.find('/') != std::string::npos) {
    problems.push_back("log_file_prefix: \"" + log_file_prefix + "\" is no beginning of a file name");
  }
  if (log_keep_files < 0) problems.emplace_back("log_keep_files: must not be negative; 0 keeps all");
  if (log_keep_bytes < 0) problems.emplace_back("log_keep_bytes: must not be negative; 0 keeps all");
  check_choice(problems, "access_log", access_log, {"all", "changes", "failures", "off"});
  check_choice(problems, "place_or_fail", place_or_fail, {"queue", "fail"});
  check_positive(problems, "heartbeat_interval", heartbeat_interval);
  check_positive(problems, "resource_sync_interval", resource_sync_interval);
  check_positive(problems, "status_sync_interval", status_sync_interval);
  check_positive(problems, "status_sync_timeout", status_sync_timeout);
  check_positive(problems, "probe_timeout", probe_timeout);
  check_positive(problems, "sandbox_op_timeout", sandbox_op_timeout);
  check_positive(problems, "shutdown_timeout", shutdown_timeout);
  check_positive(problems, "place_deadline", place_deadline);
  if (host_port_quarantine.count() < 0) problems.emplace_back("host_port_quarantine: must not be negative");
  if (orphan_grace.count() < 0) problems.emplace_back("orphan_grace: must not be negative");
  if (failed_retention.count() < 0 || failed_retention > std::chrono::hours(10 * 365 * 24)) {
    problems.emplace_back("failed_retention: must be between 0s and 87600h");
  }
  if (status_sync_batch_size < 1) problems.emplace_back("status_sync_batch_size: must be at least 1");
  if (ready_success_threshold < 1) problems.emplace_back("ready_success_threshold: must be at least 1");
  if (notready_failure_threshold < 1) problems.emplace_back("notready_failure_threshold: must be at least 1");
  if (host_port_min < 1 || host_port_max > 65535 || host_port_min > host_port_max) {
    problems.push_back("host_port_min, host_port_max: " + std::to_string(host_port_min) + " to " +
                       std::to_string(host_port_max) + " is not a range within 1 to 65535");
  }
  check_rate(problems, *this);
  if (dialects.empty()) problems.emplace_back("dialects: must name at least one of sandboxd_o, opensbx");
  for (const std::string& dialect : dialects) check_choice(problems, "dialects", dialect, {"sandboxd_o", "opensbx"});
  if (opensbx_request_percent < 1 || opensbx_request_percent > 100) {
    problems.emplace_back("opensbx_request_percent: must be between 1 and 100");
  }
  if (const auto policy = sched::parse_policy(scheduler_policy); !policy) {
    problems.push_back("scheduler_policy: " + policy.error().message());
  }
  return problems;
}

std::string OrchConfig::database_path() const { return database.empty() ? data_dir + "/orchestrator.db" : database; }

}  // namespace sandboxd::orch
