// What a user asks for: the sandbox specification that every dialect translates to and from.
//
// Plain values. Text that a dialect must echo exactly as sent (quantities, protocols) is kept beside its parsed
// meaning. Validation belongs to the dialects, since each has its own messages; validate_spec() checks what the engine
// relies on.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::model {

using Labels = std::map<std::string, std::string>;

enum class Protocol { tcp, udp };
[[nodiscard]] std::string_view to_string(Protocol protocol);
// Case-insensitive; empty means tcp; nullopt for anything else.
[[nodiscard]] std::optional<Protocol> parse_protocol(std::string_view text);

// A number with the text it came from, such as 200 millicores and "200m".
struct Amount {
  std::int64_t value = 0;
  std::string text;

  friend bool operator==(const Amount&, const Amount&) = default;
};

// Per container. `request` is reserved by the scheduler, `limit` is enforced on the node. 0 = not given.
struct ContainerResources {
  std::int64_t request_cpu_milli = 0;
  std::int64_t request_memory_bytes = 0;
  Amount limit_cpu_milli;
  Amount limit_memory_bytes;
  Amount ephemeral_storage_bytes;
  std::int64_t pids_max = 0;  // 0 = the node's default

  friend bool operator==(const ContainerResources&, const ContainerResources&) = default;
};

struct Tmpfs {
  std::string mount_path;
  std::string options;

  friend bool operator==(const Tmpfs&, const Tmpfs&) = default;
};

struct VolumeMount {
  std::string name;
  std::string mount_path;
  bool read_only = false;

  friend bool operator==(const VolumeMount&, const VolumeMount&) = default;
};

struct Volume {
  std::string name;
  Amount ephemeral_storage_bytes;

  friend bool operator==(const Volume&, const Volume&) = default;
};

// What runs: the image's own entrypoint and command, given arguments in their place, or nothing but the init (`hold`).
enum class CommandKind { image, given, hold };

struct Container {
  std::string name;
  std::string image;
  CommandKind command_kind = CommandKind::image;
  std::vector<std::string> args;  // for `given`: argv
  std::vector<std::string> env;   // KEY=VALUE
  std::string work_dir;
  std::string user;  // empty: the image's
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::vector<std::string> security_opt;
  bool read_only = false;
  std::vector<Tmpfs> tmpfs;
  std::vector<VolumeMount> volume_mounts;
  ContainerResources resources;

  friend bool operator==(const Container&, const Container&) = default;
};

struct PortSpec {
  int host_port = 0;  // 0: the scheduler chooses
  int container_port = 0;
  std::string protocol_text;  // as sent; parse_protocol() of it is valid

  [[nodiscard]] Protocol protocol() const { return parse_protocol(protocol_text).value_or(Protocol::tcp); }
  friend bool operator==(const PortSpec&, const PortSpec&) = default;
};

struct PublishedPort {
  int host_port = 0;
  int container_port = 0;
  Protocol protocol = Protocol::tcp;

  friend bool operator==(const PublishedPort&, const PublishedPort&) = default;
};

enum class ProbeKind { tcp, http };

struct ReadinessProbe {
  ProbeKind kind = ProbeKind::tcp;
  int port = 0;
  std::string path;  // http: starts with '/'
  std::int64_t initial_delay_seconds = 0;
  std::int64_t period_seconds = 1;
  std::int64_t timeout_seconds = 1;
  std::int64_t success_threshold = 1;
  std::int64_t failure_threshold = 3;
  std::string protocol_text;  // as sent; empty: the kind's own name

  friend bool operator==(const ReadinessProbe&, const ReadinessProbe&) = default;
};

// Private ranges, the host and the metadata address are blocked in every mode.
enum class EgressMode { none, public_internet, allow_list };

struct EgressPolicy {
  EgressMode mode = EgressMode::none;
  std::vector<std::string> allow_cidrs;        // for allow_list
  std::int64_t bandwidth_bits_per_second = 0;  // each direction, of the whole sandbox; 0 = unlimited

  friend bool operator==(const EgressPolicy&, const EgressPolicy&) = default;
};

enum class OnExpiry { remove, stop };
enum class RestartPolicy { never, on_failure, always };

struct SandboxSpec {
  std::vector<Container> containers;
  std::vector<PortSpec> ports;
  std::vector<Volume> volumes;
  std::optional<ReadinessProbe> readiness_probe;
  EgressPolicy egress;
  std::int64_t ttl_seconds = 0;  // 0 = none
  OnExpiry on_expiry = OnExpiry::remove;
  RestartPolicy restart_policy = RestartPolicy::never;
  Labels node_selector;
  Labels labels;
  Labels annotations;                // fields that only one dialect knows
  std::string template_id;           // empty: made without a template
  std::vector<std::string> secrets;  // names
  std::string runtime;               // handler ("runsc", "runc"); empty: the node's default
  bool agent = true;                 // false: no in-sandbox agent; commands then go through the runtime

  friend bool operator==(const SandboxSpec&, const SandboxSpec&) = default;
};

// Sums over containers; saturate instead of overflowing.
[[nodiscard]] std::int64_t total_request_cpu_milli(const SandboxSpec& spec);
[[nodiscard]] std::int64_t total_request_memory_bytes(const SandboxSpec& spec);

// What the engine relies on whatever the dialect: at least one container, unique valid names, ports in range and
// bounded counts. invalid_argument names the field.
[[nodiscard]] Result<void> validate_spec(const SandboxSpec& spec);

// "^[A-Za-z0-9][A-Za-z0-9_.-]{0,max-1}$" without "..".
[[nodiscard]] bool is_valid_name(std::string_view text, std::size_t length_max);

}  // namespace sandboxd::model
