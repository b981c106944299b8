#include "node/config.hpp"

#include "base/endpoint.hpp"
#include "base/result.hpp"

#include <algorithm>
#include <array>

namespace sandboxd::node {
namespace {

using C = NodeConfig;
using Field = ConfigField<C>;

constexpr Field field(std::string_view name, ConfigMember<C> member, std::string_view description,
                      std::string_view original_key = {}, std::string_view original_env = {}, bool is_secret = false) {
  return {name, member, description, original_key, original_env, is_secret};
}

constexpr Field reloadable(Field row) {
  row.is_reloadable = true;
  return row;
}

// What the original does when its file is used and does not say.
constexpr Field originally(Field row, std::string_view otherwise) {
  row.original_default = otherwise;
  return row;
}
// What the original takes in place of a value that is too low.
constexpr Field corrected(Field row, std::string_view low) {
  row.original_low = low;
  return row;
}

const std::array kFields{
    originally(field("listen", &C::listen, "Address and port of the node API.", "http_addr", "HTTP_ADDR"), ":8080"),
    reloadable(field("token", &C::token, "Bearer token that requests must carry; may be empty on a loopback listener.",
                     "shared_secret", "SBX_SHARED_SECRET", true)),
    reloadable(field("more_tokens", &C::more_tokens,
                     "Further bearer tokens that are accepted, such as the last one while it is being changed.", {}, {},
                     true)),
    field("data_dir", &C::data_dir, "Directory of everything that outlives a restart: records and container logs."),
    field("run_dir", &C::run_dir, "Directory of sockets, FIFOs and mounts; may be empty after a boot."),
    field("instance", &C::instance, "1 to 6 of [a-z0-9]: keeps several nodes on one machine apart."),
    originally(
        field("containerd_address", &C::containerd_address, "Socket of containerd; empty: <run_dir>/containerd.sock.",
              "containerd_address", "SANDBOX_CONTAINERD_ADDRESS"),
        "/run/containerd/containerd.sock"),
    field("snapshotter", &C::snapshotter,
          "containerd's snapshotter; empty: overlayfs where the disk has it, else native."),
    field("runtime", &C::runtime, "Default runtime handler: runsc or runc.", "runtime_binary",
          "SANDBOX_RUNTIME_BINARY"),
    field("privileged_options", &C::privileged_options,
          "Added capabilities and seccomp=unconfined: isolated (under runsc only), never or always."),
    field("subnet_cidr", &C::subnet_cidr, "IPv4 subnet of the sandboxes.", "subnet_cidr", "SANDBOX_SUBNET_CIDR"),
    field("bridge_interface", &C::bridge_interface, "Bridge of the sandboxes; empty: sbx-br<instance>.",
          "bridge_interface", "SANDBOX_BRIDGE_INTERFACE"),
    field("cni_bin_dir", &C::cni_bin_dir, "Directory of the CNI plugins."),
    field("cni_conf_path", &C::cni_conf_path, "CNI conflist to use instead of our bridge and host-local.",
          "cni_conf_path", "SANDBOX_CNI_CONF_PATH"),
    field("dns_servers", &C::dns_servers, "Name servers of sandboxes; empty: the host's, without loopback ones."),
    field("forward_hook_chains", &C::forward_hook_chains, "iptables chains of others that forwarded traffic passes.",
          "forward_hook_chains", "SANDBOX_FORWARD_HOOK_CHAINS"),
    field("cgroup_parent", &C::cgroup_parent, "Parent cgroup of all sandboxes; empty: /sandboxd-<instance>.",
          "cgroup_parent", "SANDBOX_CGROUP_PARENT"),
    field("app_env", &C::app_env, "Environment name shown in the log's \"app\" attribute.", "app_env", "APP_ENV"),
    reloadable(field("log_level", &C::log_level, "debug, info, warn, error or off.")),
    field("log_dir", &C::log_dir, "Directory of log files; empty: standard output only.", "log_dir", "SANDBOX_LOG_DIR"),
    field("log_file_prefix", &C::log_file_prefix, "First part of the log file's name.", "log_file_prefix",
          "SANDBOX_LOG_FILE_PREFIX"),
    originally(field("log_keep_files", &C::log_keep_files,
                     "Hourly log files that are kept; older ones are removed with each new one; 0: all."),
               "0"),
    originally(field("log_keep_bytes", &C::log_keep_bytes, "Bytes of hourly log files that are kept; 0: all."), "0"),
    corrected(field("max_alloc_percent", &C::max_alloc_percent,
                    "Share of the machine that sandboxes may reserve, in percent.", "max_alloc_percent",
                    "SANDBOX_MAX_ALLOC_PERCENT"),
              "90"),
    corrected(field("default_ephemeral_storage", &C::default_ephemeral_storage,
                    "Writable storage of a container that asks for none, in bytes.", "default_ephemeral_storage",
                    "SANDBOX_DEFAULT_EPHEMERAL_STORAGE"),
              "134217728"),
    field("rootfs_ratio_percent", &C::rootfs_ratio_percent,
          "Share of the ephemeral storage for the root filesystem, in percent; /tmp has the rest.",
          "rootfs_ratio_percent", "SANDBOX_EPHEMERAL_ROOTFS_PERCENT"),
    field("tmpfs_ratio_percent", &C::tmpfs_ratio_percent,
          "Share of the ephemeral storage for /tmp; both shares must add up to 100; -1: the rest.",
          "tmpfs_ratio_percent", "SANDBOX_EPHEMERAL_TMP_PERCENT"),
    field("slot_pool_size", &C::slot_pool_size, "Network slots kept ready."),
    field("provision_parallel", &C::provision_parallel, "Sandboxes whose containers are made at the same time."),
    field("start_cpu_milli", &C::start_cpu_milli,
          "While a sandbox starts, a smaller CPU limit of its containers is raised to this, in millicores; 0: never."),
    field("start_cpu_time", &C::start_cpu_time, "Longest time that a raised CPU limit lasts while a probe waits."),
    field("log_bytes_max", &C::log_bytes_max, "Size of a container's log file before it is rotated, in bytes."),
    corrected(field("provision_timeout", &C::provision_timeout, "Limit of a whole create, pull and probe included.",
                    "provision_timeout", "SANDBOX_PROVISION_TIMEOUT"),
              "4m"),
    corrected(
        field("container_create_timeout", &C::container_create_timeout, "Limit of creating and starting one container.",
              "container_create_timeout", "SANDBOX_CONTAINER_CREATE_TIMEOUT"),
        "2m"),
    corrected(field("image_pull_timeout", &C::image_pull_timeout, "Limit of pulling one image.", "image_pull_timeout",
                    "SANDBOX_IMAGE_PULL_TIMEOUT"),
              "8m"),
    reloadable(field("image_policy", &C::image_policy,
                     "any, or pinned: only images named with a digest (name@sha256:...) are run.")),
    field("registry_auth_file", &C::registry_auth_file,
          "Credentials of registries: a file in the format of docker's config.json (\"auths\"; no credential helpers), "
          "read at every pull; it must not be readable by other users. Empty: none."),
    field("image_pull_reserve_bytes", &C::image_pull_reserve_bytes,
          "Bytes of data_dir's disk that pulling leaves free: a pull that would use them is ended; 0: no limit."),
    field("image_gc_max_age", &C::image_gc_max_age,
          "Pulled images that nobody used for this long are removed; 0: not because of their age."),
    field("image_gc_min_age", &C::image_gc_min_age, "Images used within this time are kept also when the disk fills."),
    field("image_gc_high_percent", &C::image_gc_high_percent,
          "Used share of data_dir's disk, in percent, above which pulled images are removed, the longest unused first; "
          "100: never."),
    field("image_gc_low_percent", &C::image_gc_low_percent, "Used share, in percent, at which that removal ends."),
    field("stop_grace", &C::stop_grace, "Time between the stop signal and the kill."),
    field("report_interval", &C::report_interval, "Longest time between two reports on a watch stream."),
    corrected(field("reconcile_interval", &C::reconcile_interval,
                    "Time between two comparisons of records and machine.", "reconcile_interval", ""),
              "15s"),
    originally(field("reap_exited", &C::reap_exited,
                     "Whether a sandbox that ended or failed is removed by itself, with its record and logs."),
               "true"),
    field("reconcile_grace", &C::reconcile_grace,
          "With reap_exited: time from the first comparison that saw a sandbox's end to its removal.",
          "reconcile_grace", ""),
    corrected(field("reconcile_hits", &C::reconcile_hits,
                    "With reap_exited: comparisons that must have seen a sandbox's end before its removal.",
                    "reconcile_hits", ""),
              "2"),
    field("shutdown_timeout", &C::shutdown_timeout, "Time that requests in flight have at shutdown."),
    field("helper_dir", &C::helper_dir, "Directory of the helper programs; empty: beside the Python package."),
    field("crash_at_step", &C::crash_at_step, "For tests: ends the process at a step, such as create.running:2."),
};

// Directories in which the original keeps a file and a lock for each sandbox: everything is in data_dir here.
constexpr std::array kForeign{
    ForeignSetting{"state_base_dir", "SANDBOX_STATE_BASE_DIR", "string"},
    ForeignSetting{"lock_dir", "SANDBOX_LOCK_DIR", "string"},
};

}  // namespace

std::span<const ConfigField<NodeConfig>> NodeConfig::fields() { return kFields; }
std::span<const ForeignSetting> NodeConfig::foreign_settings() { return kForeign; }

std::vector<std::string> NodeConfig::validate() const {
  std::vector<std::string> problems;
  const auto require = [&](bool fine, std::string text) {
    if (!fine) problems.push_back(std::move(text));
  };
  const bool instance_ok = !instance.empty() && instance.size() <= 6 &&
                           std::all_of(instance.begin(), instance.end(),
                                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  require(instance_ok, "instance: must be 1 to 6 of [a-z0-9]");
  const auto endpoint = parse_endpoint(listen);
  require(endpoint.has_value(), "listen: " + (endpoint ? "" : endpoint.error().message()));
  require(!endpoint || !token.empty() || is_loopback(endpoint->address),
          "token: must be set (SANDBOXD_TOKEN or --token), because " + listen + " is reachable from other machines");
  require(!token.empty() || more_tokens.empty(), "more_tokens: there is no token that they could stand beside");
  require(runtime == "runsc" || runtime == "runc", "runtime: must be runsc or runc");
  require(privileged_options == "isolated" || privileged_options == "never" || privileged_options == "always",
          "privileged_options: must be isolated, never or always");
  require(data_dir.starts_with('/'), "data_dir: must be an absolute path");
  require(run_dir.starts_with('/'), "run_dir: must be an absolute path");
  // FIFOs and sockets below it must fit into sockaddr_un.
  require(run_dir.size() <= 60, "run_dir: must be at most 60 characters long, because it holds sockets");
  require(bridge().size() <= 15, "bridge_interface: must be at most 15 characters long");
  require(max_alloc_percent >= 1 && max_alloc_percent <= 100, "max_alloc_percent: must be between 1 and 100");
  require(rootfs_ratio_percent >= 1 && rootfs_ratio_percent <= 100, "rootfs_ratio_percent: must be between 1 and 100");
  require(tmpfs_ratio_percent == -1 || rootfs_ratio_percent + tmpfs_ratio_percent == 100,
          "tmpfs_ratio_percent: must add up to 100 with rootfs_ratio_percent; left out, it is the rest");
  require(reconcile_hits >= 1, "reconcile_hits: must be at least 1");
  require(reconcile_grace >= Duration::zero(), "reconcile_grace: must not be negative");
  require(default_ephemeral_storage > 0, "default_ephemeral_storage: must be positive");
  require(slot_pool_size >= 0 && slot_pool_size <= 1024, "slot_pool_size: must be between 0 and 1024");
  require(provision_parallel >= 1 && provision_parallel <= 1024, "provision_parallel: must be between 1 and 1024");
  require(image_policy == "any" || image_policy == "pinned", "image_policy: must be any or pinned");
  require(registry_auth_file.empty() || registry_auth_file.starts_with('/'),
          "registry_auth_file: must be an absolute path");
  require(image_pull_reserve_bytes >= 0, "image_pull_reserve_bytes: must not be negative; 0 is no limit");
  require(image_gc_max_age >= Duration::zero(), "image_gc_max_age: must not be negative; 0 is no limit");
  require(image_gc_min_age >= Duration::zero(), "image_gc_min_age: must not be negative");
  require(image_gc_high_percent >= 1 && image_gc_high_percent <= 100,
          "image_gc_high_percent: must be between 1 and 100");
  require(image_gc_low_percent >= 0 && image_gc_low_percent <= image_gc_high_percent,
          "image_gc_low_percent: must be between 0 and image_gc_high_percent");
  require(start_cpu_milli >= 0, "start_cpu_milli: must not be negative; 0 never raises a limit");
  require(start_cpu_time >= Duration::zero(), "start_cpu_time: must not be negative");
  require(log_keep_files >= 0, "log_keep_files: must not be negative; 0 keeps all");
  require(log_keep_bytes >= 0, "log_keep_bytes: must not be negative; 0 keeps all");
  require(log_bytes_max >= 4096, "log_bytes_max: must be at least 4096");
  require(
      log_level == "debug" || log_level == "info" || log_level == "warn" || log_level == "error" || log_level == "off",
      "log_level: must be debug, info, warn, error or off");
  for (const auto& [name, value] : {std::pair{"provision_timeout", provision_timeout},
                                    {"container_create_timeout", container_create_timeout},
                                    {"image_pull_timeout", image_pull_timeout},
                                    {"report_interval", report_interval},
                                    {"reconcile_interval", reconcile_interval}})
    require(value > Duration::zero(), std::string(name) + ": must be positive");
  return problems;
}

std::string NodeConfig::containerd_socket() const {
  if (containerd_address.empty()) return run_dir + "/containerd.sock";
  for (const std::string_view prefix : {"unix://", "unix:"}) {
    if (containerd_address.starts_with(prefix)) return containerd_address.substr(prefix.size());
  }
  return containerd_address;
}

std::string NodeConfig::bridge() const { return bridge_interface.empty() ? "sbx-br" + instance : bridge_interface; }

}  // namespace sandboxd::node
