// Configuration of the node agent. Defaults are the initialisers; names of the original are those of sandboxd-o's
// sbxlet.
#pragma once

#include "base/config.hpp"

#include <span>
#include <string>
#include <vector>

namespace sandboxd::node {

struct NodeConfig {
  std::string listen = "127.0.0.1:8080";
  std::string token;  // empty on a loopback listener: no authentication
  std::vector<std::string> more_tokens;
  std::string data_dir = "/var/lib/sandboxd";
  std::string run_dir = "/run/sandboxd";
  std::string instance = "0";                   // 1-6 of [a-z0-9]; names bridge, tables, namespaces, cgroups and labels
  std::string containerd_address;               // empty: <run_dir>/containerd.sock
  std::string privileged_options = "isolated";  // see privileges.hpp
  std::string snapshotter;                      // of containerd; empty: overlayfs where the disk has it, else native
  std::string runtime = "runsc";                // default handler: runsc or runc
  std::string subnet_cidr = "10.89.0.0/16";
  std::string bridge_interface;  // empty: sbx-br<instance>
  std::string cni_bin_dir = "/usr/lib/cni";
  std::string cni_conf_path;             // empty: our bridge + host-local
  std::vector<std::string> dns_servers;  // empty: the host's, without loopback ones
  std::vector<std::string> forward_hook_chains = {"FORWARD", "DOCKER-USER"};
  std::string cgroup_parent;  // empty: /sandboxd-<instance>
  std::string app_env;
  std::string log_level = "info";
  std::string log_dir;
  std::string log_file_prefix = "sandboxd";
  std::int64_t log_keep_files = 168;  // of log_dir: a week
  std::int64_t log_keep_bytes = std::int64_t{1} << 30;
  std::int64_t max_alloc_percent = 90;
  std::int64_t default_ephemeral_storage = 128 * 1024 * 1024;
  std::int64_t rootfs_ratio_percent = 80;         // of the ephemeral storage; /tmp has the rest
  std::int64_t tmpfs_ratio_percent = -1;          // that rest, where somebody wants to say it; -1: unsaid
  std::int64_t slot_pool_size = 8;                // ready network slots
  std::int64_t provision_parallel = 8;            // sandboxes being created at once
  std::int64_t log_bytes_max = 16 * 1024 * 1024;  // per container, before rotation
  std::int64_t start_cpu_milli = 1000;            // a starting container's CPU limit is at least this
  Duration start_cpu_time = std::chrono::seconds(30);
  Duration provision_timeout = std::chrono::minutes(4);
  Duration container_create_timeout = std::chrono::minutes(2);
  Duration image_pull_timeout = std::chrono::minutes(8);
  std::string image_policy = "any";  // or "pinned": only references with a digest
  std::string registry_auth_file;    // docker's config.json; empty: no credentials
  std::int64_t image_pull_reserve_bytes = std::int64_t{1} << 30;
  Duration image_gc_max_age = std::chrono::hours(168);  // zero: age alone removes nothing
  Duration image_gc_min_age = std::chrono::hours(1);
  std::int64_t image_gc_high_percent = 85;  // 100: never
  std::int64_t image_gc_low_percent = 80;
  Duration stop_grace = std::chrono::seconds(2);
  Duration report_interval = std::chrono::seconds(5);
  Duration reconcile_interval = std::chrono::seconds(15);
  bool reap_exited = false;  // remove what has ended, as the original does
  Duration reconcile_grace = std::chrono::seconds(5);
  std::int64_t reconcile_hits = 2;
  Duration shutdown_timeout = std::chrono::seconds(5);
  std::string helper_dir;     // of log holder and pause; empty: beside the Python package
  std::string crash_at_step;  // tests only: "create.slot_claimed:3" kills the process at the third time

  [[nodiscard]] static std::span<const ConfigField<NodeConfig>> fields();
  [[nodiscard]] static std::span<const ForeignSetting> foreign_settings();
  [[nodiscard]] std::vector<std::string> validate() const;
  [[nodiscard]] std::string containerd_socket() const;
  [[nodiscard]] std::string bridge() const;
};

}  // namespace sandboxd::node
