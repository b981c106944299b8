// The record of a specification, and the names of its enumerations.
#include "codec/record_parts.hpp"

#include <array>

namespace sandboxd::codec::record {
namespace {

template <class Enum>
struct Name {
  Enum value;
  std::string_view text;
};

// The first name is also what an unknown value is called, which cannot happen: the tables are complete.
template <class Enum, std::size_t N>
std::string_view name_of(const std::array<Name<Enum>, N>& names, Enum value) {
  for (const auto& name : names) {
    if (name.value == value) return name.text;
  }
  return names[0].text;
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const std::array<Name<Enum>, N>& names, std::string_view text) {
  for (const auto& name : names) {
    if (name.text == text) return name.value;
  }
  return std::nullopt;
}

constexpr std::array<Name<model::EgressMode>, 3> kEgressModes{{{model::EgressMode::none, "none"},
                                                               {model::EgressMode::public_internet, "public"},
                                                               {model::EgressMode::allow_list, "allow_list"}}};
constexpr std::array<Name<model::OnExpiry>, 2> kOnExpiry{
    {{model::OnExpiry::remove, "delete"}, {model::OnExpiry::stop, "stop"}}};
constexpr std::array<Name<model::RestartPolicy>, 3> kRestartPolicies{{{model::RestartPolicy::never, "never"},
                                                                      {model::RestartPolicy::on_failure, "on_failure"},
                                                                      {model::RestartPolicy::always, "always"}}};
constexpr std::array<Name<model::CommandKind>, 3> kCommandKinds{
    {{model::CommandKind::image, "image"}, {model::CommandKind::given, "given"}, {model::CommandKind::hold, "hold"}}};
constexpr std::array<Name<model::ProbeKind>, 2> kProbeKinds{
    {{model::ProbeKind::tcp, "tcp"}, {model::ProbeKind::http, "http"}}};

std::optional<model::CommandKind> parse_command_kind(std::string_view text) { return value_of(kCommandKinds, text); }
std::optional<model::ProbeKind> parse_probe_kind(std::string_view text) { return value_of(kProbeKinds, text); }

void put_amount(json::object& out, std::string_view name, const model::Amount& amount) {
  if (amount == model::Amount{}) return;
  json::object& item = out[name].emplace_object();
  put_number(item, "value", amount.value);
  put_if(item, "text", amount.text);
}

void read_amount(const Reader& in, FieldName name, model::Amount& out) {
  in.object(name, [&](const Reader& item) {
    item.read("value", out.value);
    item.read("text", out.text);
  });
}

json::object container_object(const model::Container& c) {
  json::object out;
  out.reserve(kMembers);
  out["name"] = c.name;
  out["image"] = c.image;
  if (c.command_kind != model::CommandKind::image) out["command"] = name_of(kCommandKinds, c.command_kind);
  put_if(out, "args", c.args);
  put_if(out, "env", c.env);
  put_if(out, "work_dir", c.work_dir);
  put_if(out, "user", c.user);
  put_if(out, "cap_add", c.cap_add);
  put_if(out, "cap_drop", c.cap_drop);
  put_if(out, "security_opt", c.security_opt);
  put_if_true(out, "read_only", c.read_only);
  for (const model::Tmpfs& mount : c.tmpfs) {
    if (!out.contains("tmpfs")) out["tmpfs"].emplace_array();
    json::object item;
    item["mount_path"] = mount.mount_path;
    put_if(item, "options", mount.options);
    out["tmpfs"].get_array().push_back(std::move(item));
  }
  for (const model::VolumeMount& mount : c.volume_mounts) {
    if (!out.contains("volume_mounts")) out["volume_mounts"].emplace_array();
    json::object item;
    item["name"] = mount.name;
    item["mount_path"] = mount.mount_path;
    put_if_true(item, "read_only", mount.read_only);
    out["volume_mounts"].get_array().push_back(std::move(item));
  }
  put_number(out, "request_cpu_milli", c.resources.request_cpu_milli);
  put_number(out, "request_memory_bytes", c.resources.request_memory_bytes);
  put_amount(out, "limit_cpu_milli", c.resources.limit_cpu_milli);
  put_amount(out, "limit_memory_bytes", c.resources.limit_memory_bytes);
  put_amount(out, "ephemeral_storage_bytes", c.resources.ephemeral_storage_bytes);
  put_number(out, "pids_max", c.resources.pids_max);
  return out;
}

void read_container(const Reader& in, model::Container& out) {
  in.require("name", out.name);
  in.require("image", out.image);
  in.read_as("command", out.command_kind, parse_command_kind);
  in.read("args", out.args);
  in.read("env", out.env);
  in.read("work_dir", out.work_dir);
  in.read("user", out.user);
  in.read("cap_add", out.cap_add);
  in.read("cap_drop", out.cap_drop);
  in.read("security_opt", out.security_opt);
  in.read("read_only", out.read_only);
  in.each("tmpfs", [&](const Reader& item) {
    model::Tmpfs& mount = out.tmpfs.emplace_back();
    item.read("mount_path", mount.mount_path);
    item.read("options", mount.options);
  });
  in.each("volume_mounts", [&](const Reader& item) {
    model::VolumeMount& mount = out.volume_mounts.emplace_back();
    item.read("name", mount.name);
    item.read("mount_path", mount.mount_path);
    item.read("read_only", mount.read_only);
  });
  in.read("request_cpu_milli", out.resources.request_cpu_milli);
  in.read("request_memory_bytes", out.resources.request_memory_bytes);
  read_amount(in, "limit_cpu_milli", out.resources.limit_cpu_milli);
  read_amount(in, "limit_memory_bytes", out.resources.limit_memory_bytes);
  read_amount(in, "ephemeral_storage_bytes", out.resources.ephemeral_storage_bytes);
  in.read("pids_max", out.resources.pids_max);
}

json::object probe_object(const model::ReadinessProbe& probe) {
  json::object out;
  out["kind"] = name_of(kProbeKinds, probe.kind);
  put_if(out, "protocol_text", probe.protocol_text);
  out["port"] = probe.port;
  put_if(out, "path", probe.path);
  // Written even when they hold their default: the defaults of the API may change, what was asked for may not.
  out["initial_delay_seconds"] = probe.initial_delay_seconds;
  out["period_seconds"] = probe.period_seconds;
  out["timeout_seconds"] = probe.timeout_seconds;
  out["success_threshold"] = probe.success_threshold;
  out["failure_threshold"] = probe.failure_threshold;
  return out;
}

void read_probe(const Reader& in, model::ReadinessProbe& out) {
  in.read_as("kind", out.kind, parse_probe_kind);
  in.read("protocol_text", out.protocol_text);
  in.read("port", out.port);
  in.read("path", out.path);
  in.read("initial_delay_seconds", out.initial_delay_seconds);
  in.read("period_seconds", out.period_seconds);
  in.read("timeout_seconds", out.timeout_seconds);
  in.read("success_threshold", out.success_threshold);
  in.read("failure_threshold", out.failure_threshold);
}

void put_ports(json::object& out, const std::vector<model::PortSpec>& ports) {
  if (ports.empty()) return;
  json::array& list = out["ports"].emplace_array();
  for (const model::PortSpec& port : ports) {
    json::object& item = list.emplace_back(json::object()).get_object();
    put_number(item, "host_port", port.host_port);
    item["container_port"] = port.container_port;
    put_if(item, "protocol", port.protocol_text);
  }
}

void put_volumes(json::object& out, const std::vector<model::Volume>& volumes) {
  if (volumes.empty()) return;
  json::array& list = out["volumes"].emplace_array();
  for (const model::Volume& volume : volumes) {
    json::object& item = list.emplace_back(json::object()).get_object();
    item["name"] = volume.name;
    put_amount(item, "ephemeral_storage_bytes", volume.ephemeral_storage_bytes);
  }
}

}  // namespace

std::string_view to_text(model::EgressMode mode) { return name_of(kEgressModes, mode); }
std::string_view to_text(model::OnExpiry what) { return name_of(kOnExpiry, what); }
std::string_view to_text(model::RestartPolicy policy) { return name_of(kRestartPolicies, policy); }
std::optional<model::EgressMode> parse_egress_mode(std::string_view text) { return value_of(kEgressModes, text); }
std::optional<model::OnExpiry> parse_on_expiry(std::string_view text) { return value_of(kOnExpiry, text); }
std::optional<model::RestartPolicy> parse_restart_policy(std::string_view text) {
  return value_of(kRestartPolicies, text);
}

json::object spec_object(const model::SandboxSpec& spec) {
  json::object out;
  out.reserve(kMembers);
  json::array& containers = out["containers"].emplace_array();
  for (const model::Container& container : spec.containers) containers.push_back(container_object(container));
  put_ports(out, spec.ports);
  put_volumes(out, spec.volumes);
  if (spec.readiness_probe) out["readiness_probe"] = probe_object(*spec.readiness_probe);
  if (spec.egress != model::EgressPolicy{}) {
    json::object& egress = out["egress"].emplace_object();
    egress["mode"] = to_text(spec.egress.mode);
    put_if(egress, "allow_cidrs", spec.egress.allow_cidrs);
    put_number(egress, "bandwidth_bits_per_second", spec.egress.bandwidth_bits_per_second);
  }
  put_number(out, "ttl_seconds", spec.ttl_seconds);
  if (spec.on_expiry != model::OnExpiry::remove) out["on_expiry"] = to_text(spec.on_expiry);
  if (spec.restart_policy != model::RestartPolicy::never) out["restart_policy"] = to_text(spec.restart_policy);
  put_if(out, "node_selector", spec.node_selector);
  put_if(out, "labels", spec.labels);
  put_if(out, "annotations", spec.annotations);
  put_if(out, "template_id", spec.template_id);
  put_if(out, "secrets", spec.secrets);
  put_if(out, "runtime", spec.runtime);
  put_if_true(out, "no_agent", !spec.agent);
  return out;
}

void read_spec(const Reader& in, model::SandboxSpec& out) {
  in.each("containers", [&](const Reader& item) { read_container(item, out.containers.emplace_back()); });
  in.each("ports", [&](const Reader& item) {
    model::PortSpec& port = out.ports.emplace_back();
    item.read("host_port", port.host_port);
    item.read("container_port", port.container_port);
    item.read("protocol", port.protocol_text);
  });
  in.each("volumes", [&](const Reader& item) {
    model::Volume& volume = out.volumes.emplace_back();
    item.read("name", volume.name);
    read_amount(item, "ephemeral_storage_bytes", volume.ephemeral_storage_bytes);
  });
  in.object("readiness_probe", [&](const Reader& probe) { read_probe(probe, out.readiness_probe.emplace()); });
  in.object("egress", [&](const Reader& egress) {
    egress.read_as("mode", out.egress.mode, parse_egress_mode);
    egress.read("allow_cidrs", out.egress.allow_cidrs);
    egress.read("bandwidth_bits_per_second", out.egress.bandwidth_bits_per_second);
  });
  in.read("ttl_seconds", out.ttl_seconds);
  in.read_as("on_expiry", out.on_expiry, parse_on_expiry);
  in.read_as("restart_policy", out.restart_policy, parse_restart_policy);
  in.read("node_selector", out.node_selector);
  in.read("labels", out.labels);
  in.read("annotations", out.annotations);
  in.read("template_id", out.template_id);
  in.read("secrets", out.secrets);
  in.read("runtime", out.runtime);
  bool no_agent = false;
  in.read("no_agent", no_agent);
  out.agent = !no_agent;
}

std::string encode_spec(const model::SandboxSpec& spec) {
  json::object out = spec_object(spec);
  out["v"] = kVersion;
  return write_json(out);
}

Result<model::SandboxSpec> decode_spec(std::string_view id, std::string_view text) {
  return decode_versioned<model::SandboxSpec>("sandbox", id, text, read_spec);
}

}  // namespace sandboxd::codec::record
