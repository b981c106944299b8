#include "codec/sbxlet_validate.hpp"

#include "base/limits.hpp"
#include "codec/sbxlet_tmpfs.hpp"
#include "model/egress.hpp"
#include "model/quantity.hpp"
#include "model/spec.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace sandboxd::codec::sbxlet {
namespace {

constexpr std::size_t kVolumeNameLengthMax = 64;
constexpr model::EgressFieldNames kEgressFields{"egressPolicy.mode", "egressPolicy.allowCIDRs",
                                                "egressPolicy.bandwidthBitsPerSecond"};

Error invalid(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n\v\f") - first + 1);
}

bool is_blank(std::string_view text) { return trim(text).empty(); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// The rules that ids and container names share; `what` starts each message.
Result<void> validate_name(std::string_view text, const std::string& what, std::size_t length_max) {
  if (is_blank(text)) return invalid(what + " is required");
  if (trim(text).size() != text.size()) return invalid(what + " must not contain leading or trailing whitespace");
  if (text.find_first_of("/\\") != std::string_view::npos || text.find("..") != std::string_view::npos) {
    return invalid(what + " contains invalid path characters");
  }
  if (!model::is_valid_name(text, length_max)) return invalid(what + " contains unsupported characters");
  return {};
}

Result<std::set<std::string>> validate_volumes(const std::vector<model::Volume>& volumes) {
  std::set<std::string> names;
  for (const model::Volume& volume : volumes) {
    const std::string name(trim(volume.name));
    if (name.empty()) return invalid("volume name is required");
    if (!model::is_valid_name(name, kVolumeNameLengthMax)) {
      return invalid("volume " + volume.name + ": unsupported name");
    }
    const std::string& size = volume.ephemeral_storage_bytes.text;
    if (is_blank(size)) return invalid("volume " + name + ": ephemeralStorage is required");
    if (model::parse_bytes(size).value_or(0) <= 0) return invalid("volume " + name + ": invalid ephemeralStorage");
    if (!names.insert(name).second) return invalid("duplicate volume name: " + name);
  }
  return names;
}

// What path cleaning would leave as it is: no empty, "." or ".." element and no slash at the end.
bool is_clean(std::string_view path) {
  if (path == "/") return true;
  std::string_view rest = path.substr(1);
  while (true) {
    const auto slash = rest.find('/');
    const std::string_view element = rest.substr(0, slash);
    if (element.empty() || element == "." || element == "..") return false;
    if (slash == std::string_view::npos) return true;
    rest.remove_prefix(slash + 1);
  }
}

// `subject` is what the messages begin with ("mountPath" or "tmpfs mountPath"), `of` what they end with.
Result<void> validate_path(const std::string& at, const std::string& path, const std::string& subject,
                           const std::string& of) {
  if (is_blank(path)) return invalid(at + subject + " is required" + of);
  if (path[0] != '/') return invalid(at + subject + " must be absolute" + of);
  if (!is_clean(path)) return invalid(at + subject + " must be clean" + of);
  if (path == "/") return invalid(at + subject + " '/' is not allowed" + of);
  return {};
}

Result<void> validate_mounts(const std::string& at, const model::Container& container,
                             const std::set<std::string>& volumes) {
  std::set<std::string> paths;
  for (const model::VolumeMount& mount : container.volume_mounts) {
    const std::string name(trim(mount.name));
    if (name.empty()) return invalid(at + "volume mount name is required");
    if (!volumes.contains(name)) return invalid(at + "unknown volume " + name);
    SBX_CHECK(validate_path(at, mount.mount_path, "mountPath", " for volume " + name));
    if (mount.mount_path == "/tmp" || mount.mount_path.starts_with("/tmp/")) {
      return invalid(at + "mountPath /tmp is reserved");
    }
    if (!paths.insert(mount.mount_path).second) return invalid(at + "duplicate mountPath " + mount.mount_path);
  }
  for (const model::Tmpfs& mount : container.tmpfs) {
    SBX_CHECK(validate_path(at, mount.mount_path, "tmpfs mountPath", ""));
    if (!paths.insert(mount.mount_path).second) return invalid(at + "duplicate mountPath " + mount.mount_path);
    if (const auto options = parse_tmpfs_options(mount.options); !options) {
      return options.error().with_context(at + "tmpfs " + mount.mount_path);
    }
  }
  return {};
}

Result<void> validate_capabilities(const std::string& at, const std::string& list,
                                   const std::vector<std::string>& names) {
  for (const std::string& raw : names) {
    const std::string_view name = trim(raw);
    if (name.empty()) return invalid(at + "invalid " + list + " entry: capability is empty");
    const bool known_form = std::all_of(
        name.begin(), name.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
    if (!known_form) return invalid(at + "invalid " + list + " entry: unsupported capability " + quoted(name));
  }
  return {};
}

bool is_boolean(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kWords{"1", "t", "T", "true",  "TRUE",  "True",
                                                           "0", "f", "F", "false", "FALSE", "False"};
  return std::find(kWords.begin(), kWords.end(), text) != kWords.end();
}

Result<void> validate_security_opt(const std::string& at, const std::string& raw) {
  const std::string_view entry = trim(raw);
  if (entry.empty()) return invalid(at + "securityOpt entry is empty");
  auto separator = entry.find('=');
  if (separator == std::string_view::npos) separator = entry.find(':');
  if (separator == std::string_view::npos) {
    return invalid(at + "securityOpt " + quoted(entry) + " must use key=value or key:value");
  }
  const std::string key = lower(trim(entry.substr(0, separator)));
  const std::string_view value = trim(entry.substr(separator + 1));
  if (key == "no-new-privileges") {
    if (!is_boolean(value)) return invalid(at + "securityOpt " + quoted(entry) + " has invalid boolean");
    return {};
  }
  if (key == "seccomp" || key == "apparmor") {
    if (value.empty()) return invalid(at + "securityOpt " + quoted(entry) + " requires a profile value");
    return {};
  }
  return invalid(at + "unsupported securityOpt " + quoted(entry));
}

Result<void> validate_containers(const model::SandboxSpec& spec, const std::set<std::string>& volumes) {
  std::set<std::string_view> names;
  for (const model::Container& container : spec.containers) {
    SBX_CHECK(validate_name(container.name, "container name", limits::kNameLengthMax));
    const std::string at = "container " + container.name + ": ";
    if (is_blank(container.image)) return invalid(at + "image is required");
    if (is_blank(container.resources.limit_cpu_milli.text)) return invalid(at + "cpu is required");
    if (is_blank(container.resources.limit_memory_bytes.text)) return invalid(at + "memory is required");
    if (!names.insert(container.name).second) return invalid("duplicate container name: " + container.name);
    SBX_CHECK(validate_mounts(at, container, volumes));
    SBX_CHECK(validate_capabilities(at, "capAdd", container.cap_add));
    SBX_CHECK(validate_capabilities(at, "capDrop", container.cap_drop));
    for (const std::string& entry : container.security_opt) SBX_CHECK(validate_security_opt(at, entry));
  }
  return {};
}

Result<void> validate_ports(const model::NodeCreateRequest& request) {
  const auto in_range = [](int port) { return port >= 1 && port <= 65535; };
  std::set<int> hosts;
  for (std::size_t i = 0; i < request.ports.size(); ++i) {
    const model::PublishedPort& port = request.ports[i];
    if (!in_range(port.host_port) || !in_range(port.container_port)) {
      return invalid("invalid port mapping: " + std::to_string(port.host_port) + ":" +
                     std::to_string(port.container_port));
    }
    if (port.host_port < 1024) {
      return invalid("privileged host ports are not allowed: " + std::to_string(port.host_port));
    }
    if (i < request.spec.ports.size()) {
      const std::string& raw = request.spec.ports[i].protocol_text;
      if (!model::parse_protocol(trim(raw))) return invalid("unsupported protocol: " + raw);
    }
    if (!hosts.insert(port.host_port).second) {
      return invalid("duplicate host port: " + std::to_string(port.host_port));
    }
  }
  return {};
}

Result<void> validate_probe(const model::ReadinessProbe& probe) {
  const std::string protocol = lower(trim(probe.protocol_text));
  if (protocol.empty()) return invalid("readinessProbe.protocol is required");
  if (protocol != "tcp" && protocol != "http") return invalid("readinessProbe.protocol must be tcp or http");
  if (probe.port < 1 || probe.port > 65535) return invalid("readinessProbe.port must be between 1 and 65535");
  if (protocol == "http") {
    if (is_blank(probe.path)) return invalid("readinessProbe.path is required when protocol is http");
    if (probe.path[0] != '/') return invalid("readinessProbe.path must start with '/' when protocol is http");
  }
  const std::array<std::pair<const char*, std::int64_t>, 5> counts{
      {{"initialDelaySeconds", probe.initial_delay_seconds},
       {"periodSeconds", probe.period_seconds},
       {"timeoutSeconds", probe.timeout_seconds},
       {"successThreshold", probe.success_threshold},
       {"failureThreshold", probe.failure_threshold}}};
  for (const auto& [name, value] : counts) {
    if (value < 1) return invalid(std::string("readinessProbe.") + name + " must be >= 1");
  }
  return {};
}

}  // namespace

Result<void> validate_id(std::string_view id) { return validate_name(id, "id", limits::kSandboxIdLengthMax); }

Result<void> validate_create(const model::NodeCreateRequest& request) {
  SBX_CHECK(validate_id(request.id.str()));
  if (request.spec.containers.empty()) return invalid("at least one container is required");
  SBX_TRY(volumes, validate_volumes(request.spec.volumes));
  SBX_CHECK(validate_containers(request.spec, volumes));
  SBX_CHECK(validate_ports(request));
  if (request.spec.readiness_probe) SBX_CHECK(validate_probe(*request.spec.readiness_probe));
  return model::validate_egress(request.spec.egress, kEgressFields);
}

Result<void> validate_resources(const model::NodeCreateRequest& request) {
  for (const model::Container& container : request.spec.containers) {
    const std::string at = "container " + container.name + " resource parse failed: ";
    const std::string& cpu = container.resources.limit_cpu_milli.text;
    const std::string& memory = container.resources.limit_memory_bytes.text;
    const std::string& storage = container.resources.ephemeral_storage_bytes.text;
    if (is_blank(cpu)) return invalid(at + "cpu is required");
    if (model::parse_cpu_milli(cpu).value_or(0) <= 0) return invalid(at + "invalid cpu: " + cpu);
    if (is_blank(memory)) return invalid(at + "memory is required");
    if (model::parse_bytes(memory).value_or(0) <= 0) return invalid(at + "invalid memory: " + memory);
    if (!is_blank(storage) && model::parse_bytes(storage).value_or(0) <= 0) {
      return invalid(at + "invalid ephemeralStorage: " + storage);
    }
  }
  return {};
}

}  // namespace sandboxd::codec::sbxlet
