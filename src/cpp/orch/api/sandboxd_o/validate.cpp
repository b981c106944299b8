#include "orch/api/sandboxd_o/validate.hpp"

#include "base/limits.hpp"
#include "model/egress.hpp"
#include "model/quantity.hpp"

#include <set>
#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

using model::Container;
using model::SandboxSpec;

Error invalid(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

bool is_blank(std::string_view text) { return trimmed(text).empty(); }

// Shared by sandbox ids and container names, which differ in their subject and length only. The original calls an id in
// a path "sandbox id" where it is about blanks, and "id" in all else.
Result<void> validate_name(std::string_view name, const std::string& subject, std::size_t length_max,
                           std::string_view required_message) {
  if (is_blank(name)) return invalid(std::string(required_message));
  if (trimmed(name).size() != name.size()) {
    const std::string full = required_message.starts_with("sandbox id") ? "sandbox id" : subject;
    return invalid(full + " must not contain leading or trailing whitespace");
  }
  if (name.find_first_of("/\\") != std::string_view::npos || name.find("..") != std::string_view::npos) {
    return invalid(subject + " contains invalid path characters");
  }
  if (!model::is_valid_name(name, length_max)) return invalid(subject + " contains unsupported characters");
  return {};
}

// As Go's path.Clean would leave it: no empty, "." or ".." segment and no trailing slash.
bool is_clean(std::string_view path) {
  if (path == "/") return true;
  if (!path.starts_with('/')) return false;
  for (std::string_view rest = path.substr(1); !rest.empty() || path.ends_with('/');) {
    const auto slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) return true;
    rest.remove_prefix(slash + 1);
    if (rest.empty()) return false;
  }
  return true;
}

Result<void> validate_volumes(const SandboxSpec& spec) {
  std::set<std::string> names;
  for (const model::Volume& volume : spec.volumes) {
    const std::string name(trimmed(volume.name));
    if (name.empty()) return invalid("volume name is required");
    if (!model::is_valid_name(name, limits::kNameLengthMax)) return invalid("invalid volume name " + volume.name);
    if (is_blank(volume.ephemeral_storage_bytes.text)) {
      return invalid("volume " + name + " ephemeral_storage is required");
    }
    const auto bytes = model::parse_bytes(volume.ephemeral_storage_bytes.text);
    if (!bytes || *bytes <= 0) return invalid("invalid ephemeral_storage for volume " + name);
    if (!names.insert(name).second) return invalid("duplicate volume name " + name);
  }
  return {};
}

Result<void> validate_resources(const Container& container) {
  const auto& resources = container.resources;
  const std::string of = " for container " + container.name;
  if (is_blank(resources.limit_cpu_milli.text) || is_blank(resources.limit_memory_bytes.text)) {
    return invalid("container resource cpu/memory are required");
  }
  if (!model::parse_cpu_milli(resources.limit_cpu_milli.text)) return invalid("invalid cpu" + of);
  if (!model::parse_bytes(resources.limit_memory_bytes.text)) return invalid("invalid memory" + of);
  const std::string& storage = resources.ephemeral_storage_bytes.text;
  if (!is_blank(storage) && !model::parse_bytes(storage)) return invalid("invalid ephemeral_storage" + of);
  return {};
}

Result<void> validate_mounts(const SandboxSpec& spec, const Container& container) {
  const std::string subject = "container " + container.name;
  std::set<std::string> paths;
  for (const model::VolumeMount& mount : container.volume_mounts) {
    const std::string name(trimmed(mount.name));
    if (name.empty()) return invalid(subject + " volume mount name is required");
    bool known = false;
    for (const model::Volume& volume : spec.volumes) known = known || trimmed(volume.name) == name;
    if (!known) return invalid(subject + " references unknown volume " + name);
    const std::string of = " for volume " + name;
    const std::string path(trimmed(mount.mount_path));
    if (path.empty()) return invalid(subject + " mount_path is required" + of);
    if (path[0] != '/') return invalid(subject + " mount_path must be absolute" + of);
    if (!is_clean(path)) return invalid(subject + " mount_path must be clean" + of);
    if (path == "/") return invalid(subject + " mount_path '/' is not allowed" + of);
    if (path == "/tmp" || path.starts_with("/tmp/")) return invalid(subject + " mount_path /tmp is reserved");
    if (!paths.insert(path).second) return invalid(subject + " duplicate mount_path " + path);
  }
  for (const model::Tmpfs& tmpfs : container.tmpfs) {
    const std::string path(trimmed(tmpfs.mount_path));
    if (path.empty()) return invalid(subject + " tmpfs mount_path is required");
    if (path[0] != '/') return invalid(subject + " tmpfs mount_path must be absolute");
    if (!is_clean(path)) return invalid(subject + " tmpfs mount_path must be clean");
    if (path == "/") return invalid(subject + " tmpfs mount_path '/' is not allowed");
    if (!paths.insert(path).second) return invalid(subject + " duplicate mount_path " + path);
  }
  return {};
}

Result<void> validate_containers(const SandboxSpec& spec) {
  for (const Container& container : spec.containers) {
    SBX_CHECK(validate_name(container.name, "container name", limits::kNameLengthMax, "container name is required"));
    if (is_blank(container.image)) return invalid("container " + container.name + " image is required");
    SBX_CHECK(validate_resources(container));
    SBX_CHECK(validate_mounts(spec, container));
  }
  return {};
}

Result<void> validate_ports(const SandboxSpec& spec) {
  for (const model::PortSpec& port : spec.ports) {
    if (port.container_port < 1 || port.container_port > 65535) return invalid("invalid container port");
    if (!model::parse_protocol(trimmed(port.protocol_text))) return invalid("unsupported protocol");
  }
  return {};
}

Result<void> validate_probe(const model::ReadinessProbe& probe) {
  const std::string field = "readiness_probe.";
  const std::string protocol = probe_word(probe.protocol_text);
  if (protocol.empty()) return invalid(field + "protocol is required");
  if (protocol != "tcp" && protocol != "http") return invalid(field + "protocol must be tcp or http");
  if (probe.port < 1 || probe.port > 65535) return invalid(field + "port must be between 1 and 65535");
  if (protocol == "http") {
    if (is_blank(probe.path)) return invalid(field + "path is required when protocol is http");
    if (probe.path[0] != '/') return invalid(field + "path must start with '/' when protocol is http");
  }
  for (const auto& [name, value] :
       {std::pair{"initial_delay_seconds", probe.initial_delay_seconds},
        std::pair{"period_seconds", probe.period_seconds}, std::pair{"timeout_seconds", probe.timeout_seconds},
        std::pair{"success_threshold", probe.success_threshold},
        std::pair{"failure_threshold", probe.failure_threshold}}) {
    if (value < 1) return invalid(field + name + " must be >= 1");
  }
  return {};
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n\v\f") - first + 1);
}

std::string probe_word(std::string_view protocol_text) {
  std::string word(trimmed(protocol_text));
  for (char& c : word) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return word;
}

Result<void> validate_external(const BindExternal& external) {
  if (external.id.empty()) return invalid("external id is required");
  if (external.node.empty()) return invalid("spec.node_id is required");
  if (external.external.empty()) return invalid("spec.external is required");
  return {};
}

Result<void> validate_id(std::string_view id, std::string_view required_message) {
  return validate_name(id, "id", limits::kSandboxIdLengthMax, required_message);
}

Result<void> validate_create(const CreateBody& body) {
  const SandboxSpec& spec = body.spec;
  SBX_CHECK(validate_id(body.id));
  for (const auto& [key, value] : spec.node_selector) {
    if (is_blank(key)) return invalid("node_selector key is required");
  }
  if (spec.containers.empty()) return invalid("at least one container is required");
  if (spec.ttl_seconds < 0) return invalid("ttl_seconds must be >= 0");
  SBX_CHECK(validate_volumes(spec));
  SBX_CHECK(validate_containers(spec));
  SBX_CHECK(validate_ports(spec));
  if (spec.readiness_probe) SBX_CHECK(validate_probe(*spec.readiness_probe));
  // Our addition, after all that the original says.
  if (!body.name.empty() && !model::is_valid_name(body.name, limits::kSandboxIdLengthMax)) {
    return invalid("name contains unsupported characters");
  }
  if (!spec.runtime.empty() && spec.runtime != "runsc" && spec.runtime != "runc")
    return invalid("runtime must be runsc or runc");
  if (spec.labels.contains("")) return invalid("labels key is required");
  return model::validate_egress(
      spec.egress, {"egress_policy.mode", "egress_policy.allow_cidrs", "egress_policy.bandwidth_bits_per_second"});
}

}  // namespace sandboxd::orch::sandboxd_o
