// Configuration of the control plane. Defaults are the initialisers; names of the original are those of sandboxd-o.
#pragma once

#include "base/config.hpp"
#include "base/endpoint.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch {

// Where the reverse proxy listens unless somebody says otherwise; that it cannot is no reason not to start.
inline constexpr std::string_view kDefaultProxyListen = "127.0.0.1:3000";

struct OrchConfig {
  std::string listen = "127.0.0.1:8082";
  std::string proxy_listen{kDefaultProxyListen};  // of the reverse proxy, separated by commas; empty: none
  std::string base_domain = "localhost";
  std::vector<std::string> trusted_proxies;
  std::string token;  // empty on a loopback listener: no authentication
  std::vector<std::string> more_tokens;
  std::string api_key;  // a token like the others, by the name that Opensbx has for it
  std::vector<std::string> dialects = {"sandboxd_o", "opensbx"};
  std::string data_dir = "/var/lib/sandboxd";
  std::string run_dir = "/run/sandboxd";
  std::string database;  // empty: <data_dir>/orchestrator.db
  std::string app_env;
  std::string log_level = "info";
  std::string log_dir;
  std::string log_file_prefix = "orchestrator";
  std::int64_t log_keep_files = 168;  // of log_dir: a week
  std::int64_t log_keep_bytes = std::int64_t{1} << 30;
  std::string access_log = "all";  // "all", "changes", "failures" or "off"
  Duration heartbeat_interval = std::chrono::seconds(10);
  Duration resource_sync_interval = std::chrono::seconds(30);
  Duration status_sync_interval = std::chrono::seconds(20);
  Duration status_sync_timeout = std::chrono::seconds(5);
  std::int64_t status_sync_batch_size = 50;
  Duration probe_timeout = std::chrono::seconds(3);
  Duration sandbox_op_timeout = std::chrono::seconds(60);
  std::int64_t ready_success_threshold = 2;  // for nodes that are polled
  std::int64_t notready_failure_threshold = 2;
  Duration shutdown_timeout = std::chrono::seconds(5);
  std::int64_t host_port_min = 10000;
  std::int64_t host_port_max = 32767;
  Duration host_port_quarantine = std::chrono::seconds(5);
  std::string place_or_fail = "queue";  // "queue": wait for capacity; "fail": fail at once, as the original
  Duration place_deadline = std::chrono::minutes(5);
  std::string scheduler_policy = "spread";  // a built-in policy's name, or a policy as JSON
  Duration orphan_grace = std::chrono::seconds(10);
  Duration failed_retention{0};  // 0: failed sandboxes are kept until somebody deletes them
  std::string node_token;        // sent to nodes; empty: `token`
  double create_rps = 0;         // 0: no limit; the bounded queue protects
  std::int64_t create_burst = 40;
  bool opensbx_strict = false;
  std::int64_t opensbx_request_percent = 10;

  [[nodiscard]] static std::span<const ConfigField<OrchConfig>> fields();
  [[nodiscard]] static std::span<const ForeignSetting> foreign_settings();
  // Every problem, one sentence each, naming the field and what to change. Empty: valid.
  [[nodiscard]] std::vector<std::string> validate() const;
  [[nodiscard]] std::string database_path() const;
  // `proxy_listen`, as addresses. Errors: invalid_argument.
  [[nodiscard]] Result<std::vector<Endpoint>> proxy_endpoints() const;
};

}  // namespace sandboxd::orch
