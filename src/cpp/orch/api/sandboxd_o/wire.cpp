#include "orch/api/sandboxd_o/wire.hpp"

#include "codec/record.hpp"
#include "model/quantity.hpp"
#include "orch/api/sandboxd_o/wire_parts.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::orch::sandboxd_o {
namespace {

using codec::Reader;
namespace json = codec::json;

// Room that an object gets at once: most of ours have fewer members, and growing one by one moves them again and again.
constexpr std::size_t kMembers = 8;

template <class Parse>
void read_amount(const Reader& in, const char* name, model::Amount& out, Parse parse) {
  in.read(name, out.text);
  out.value = parse(out.text).value_or(0);
}

void read_resource(const Reader& in, model::ContainerResources& out) {
  read_amount(in, "cpu", out.limit_cpu_milli, model::parse_cpu_milli);
  read_amount(in, "memory", out.limit_memory_bytes, model::parse_bytes);
  read_amount(in, "ephemeral_storage", out.ephemeral_storage_bytes, model::parse_bytes);
  out.request_cpu_milli = out.limit_cpu_milli.value;
  out.request_memory_bytes = out.limit_memory_bytes.value;
}

model::Container read_container(const Reader& in) {
  model::Container out;
  in.read("name", out.name);
  in.read("image", out.image);
  in.read("args", out.args);
  if (!out.args.empty()) out.command_kind = model::CommandKind::given;
  bool hold = false;
  in.read("hold", hold);
  if (hold) out.command_kind = model::CommandKind::hold;
  in.read("env", out.env);
  in.read("work_dir", out.work_dir);
  in.read("user", out.user);
  in.read("cap_add", out.cap_add);
  in.read("cap_drop", out.cap_drop);
  in.read("security_opt", out.security_opt);
  in.read("read_only", out.read_only);
  in.each("tmpfs", [&](const Reader& item) {
    model::Tmpfs& tmpfs = out.tmpfs.emplace_back();
    item.read("mount_path", tmpfs.mount_path);
    item.read("options", tmpfs.options);
  });
  in.each("volume_mounts", [&](const Reader& item) {
    model::VolumeMount& mount = out.volume_mounts.emplace_back();
    item.read("name", mount.name);
    item.read("mount_path", mount.mount_path);
    item.read("read_only", mount.read_only);
  });
  in.object("resource", [&](const Reader& resource) { read_resource(resource, out.resources); });
  return out;
}

void read_probe(const Reader& in, model::ReadinessProbe& probe) {
  in.read("protocol", probe.protocol_text);
  probe.kind = probe_word(probe.protocol_text) == "http" ? model::ProbeKind::http : model::ProbeKind::tcp;
  // Absent counts are zero, which validation refuses, as in the original.
  probe.period_seconds = probe.timeout_seconds = probe.success_threshold = probe.failure_threshold = 0;
  in.read("port", probe.port);
  in.read("path", probe.path);
  in.read("initial_delay_seconds", probe.initial_delay_seconds);
  in.read("period_seconds", probe.period_seconds);
  in.read("timeout_seconds", probe.timeout_seconds);
  in.read("success_threshold", probe.success_threshold);
  in.read("failure_threshold", probe.failure_threshold);
}

// The original takes any host port, ignores it and echoes it: it is kept apart, for the echo alone.
std::string host_port_key(std::size_t index) { return "sandboxd_o.host_port." + std::to_string(index); }

void read_port(const Reader& in, model::SandboxSpec& spec) {
  std::int64_t host_port = 0;
  in.read("host_port", host_port);
  if (host_port != 0) spec.annotations[host_port_key(spec.ports.size())] = std::to_string(host_port);
  model::PortSpec& port = spec.ports.emplace_back();
  in.read("container_port", port.container_port);
  in.read("protocol", port.protocol_text);
}

json::array ports_array(const model::SandboxSpec& spec) {
  json::array list;
  for (const model::PortSpec& port : spec.ports) {
    json::object item;
    const auto sent = spec.annotations.find(host_port_key(list.size()));
    if (sent != spec.annotations.end()) {
      item["host_port"] = json::parse(sent->second);
    } else if (port.host_port != 0) {
      item["host_port"] = port.host_port;
    }
    item["container_port"] = port.container_port;
    codec::put_if(item, "protocol", port.protocol_text);
    list.push_back(std::move(item));
  }
  return list;
}

// Ours: `egress_policy` says more than `egress`, and wins over it.
void read_egress(const Reader& in, model::EgressPolicy& out) {
  bool open = false;
  in.read("egress", open);
  out.mode = open ? model::EgressMode::public_internet : model::EgressMode::none;
  in.object("egress_policy", [&](const Reader& policy) {
    policy.read_as("mode", out.mode, codec::record::parse_egress_mode);
    policy.read("allow_cidrs", out.allow_cidrs);
    policy.read("bandwidth_bits_per_second", out.bandwidth_bits_per_second);
  });
}

void put_egress(json::object& out, const model::EgressPolicy& egress) {
  out["egress"] = egress.mode != model::EgressMode::none;
  if (egress.mode != model::EgressMode::allow_list && egress.allow_cidrs.empty() &&
      egress.bandwidth_bits_per_second == 0)
    return;
  json::object& policy = out["egress_policy"].emplace_object();
  policy["mode"] = codec::record::to_text(egress.mode);
  codec::put_if(policy, "allow_cidrs", egress.allow_cidrs);
  if (egress.bandwidth_bits_per_second != 0) policy["bandwidth_bits_per_second"] = egress.bandwidth_bits_per_second;
}

void read_spec(const Reader& in, model::SandboxSpec& spec) {
  read_egress(in, spec.egress);
  in.read_as("restart_policy", spec.restart_policy, codec::record::parse_restart_policy);
  in.read("ttl_seconds", spec.ttl_seconds);
  in.read_as("on_expiry", spec.on_expiry, codec::record::parse_on_expiry);
  in.read("node_selector", spec.node_selector);
  in.read("labels", spec.labels);
  in.each("ports", [&](const Reader& item) { read_port(item, spec); });
  in.each("volumes", [&](const Reader& item) {
    model::Volume& volume = spec.volumes.emplace_back();
    item.read("name", volume.name);
    read_amount(item, "ephemeral_storage", volume.ephemeral_storage_bytes, model::parse_bytes);
  });
  in.each("containers", [&](const Reader& item) { spec.containers.push_back(read_container(item)); });
  in.object("readiness_probe", [&](const Reader& probe) { read_probe(probe, spec.readiness_probe.emplace()); });
  in.read("runtime", spec.runtime);
  in.read("agent", spec.agent);
}

json::object container_object(const model::Container& container) {
  json::object out;
  out.reserve(kMembers);
  out["name"] = container.name;
  out["image"] = container.image;
  codec::put_if(out, "args", container.args);
  if (container.command_kind == model::CommandKind::hold) out["hold"] = true;
  codec::put_if(out, "env", container.env);
  codec::put_if(out, "work_dir", container.work_dir);
  codec::put_if(out, "user", container.user);
  codec::put_if(out, "cap_add", container.cap_add);
  codec::put_if(out, "cap_drop", container.cap_drop);
  codec::put_if(out, "security_opt", container.security_opt);
  if (container.read_only) out["read_only"] = true;
  if (!container.tmpfs.empty()) {
    json::array list;
    for (const model::Tmpfs& tmpfs : container.tmpfs) {
      json::object item;
      item["mount_path"] = tmpfs.mount_path;
      codec::put_if(item, "options", tmpfs.options);
      list.push_back(std::move(item));
    }
    out["tmpfs"] = std::move(list);
  }
  if (!container.volume_mounts.empty()) {
    json::array list;
    for (const model::VolumeMount& mount : container.volume_mounts) {
      json::object item;
      item["name"] = mount.name;
      item["mount_path"] = mount.mount_path;
      if (mount.read_only) item["read_only"] = true;
      list.push_back(std::move(item));
    }
    out["volume_mounts"] = std::move(list);
  }
  json::object resource;
  resource.reserve(3);
  resource["cpu"] = container.resources.limit_cpu_milli.text;
  resource["memory"] = container.resources.limit_memory_bytes.text;
  codec::put_if(resource, "ephemeral_storage", container.resources.ephemeral_storage_bytes.text);
  out["resource"] = std::move(resource);
  return out;
}

json::object probe_object(const model::ReadinessProbe& probe) {
  json::object out;
  const char* kind = probe.kind == model::ProbeKind::http ? "http" : "tcp";
  out["protocol"] = probe.protocol_text.empty() ? kind : probe.protocol_text;
  out["port"] = probe.port;
  codec::put_if(out, "path", probe.path);
  out["initial_delay_seconds"] = probe.initial_delay_seconds;
  out["period_seconds"] = probe.period_seconds;
  out["timeout_seconds"] = probe.timeout_seconds;
  out["success_threshold"] = probe.success_threshold;
  out["failure_threshold"] = probe.failure_threshold;
  return out;
}

json::object spec_object(const model::SandboxSpec& spec) {
  json::object out;
  out.reserve(kMembers);
  put_egress(out, spec.egress);
  if (spec.restart_policy != model::RestartPolicy::never)
    out["restart_policy"] = codec::record::to_text(spec.restart_policy);
  if (spec.ttl_seconds != 0) out["ttl_seconds"] = spec.ttl_seconds;
  if (spec.on_expiry != model::OnExpiry::remove) out["on_expiry"] = codec::record::to_text(spec.on_expiry);
  codec::put_if(out, "node_selector", spec.node_selector);
  if (!spec.ports.empty()) out["ports"] = ports_array(spec);
  if (!spec.volumes.empty()) {
    json::array list;
    for (const model::Volume& volume : spec.volumes) {
      json::object item;
      item["name"] = volume.name;
      item["ephemeral_storage"] = volume.ephemeral_storage_bytes.text;
      list.push_back(std::move(item));
    }
    out["volumes"] = std::move(list);
  }
  json::array containers;
  for (const model::Container& container : spec.containers) containers.push_back(container_object(container));
  out["containers"] = std::move(containers);
  if (spec.readiness_probe) out["readiness_probe"] = probe_object(*spec.readiness_probe);
  codec::put_if(out, "labels", spec.labels);
  codec::put_if(out, "runtime", spec.runtime);
  if (!spec.agent) out["agent"] = false;
  return out;
}

json::array container_statuses(const std::vector<model::ContainerStatus>& containers) {
  json::array list;
  for (const model::ContainerStatus& container : containers) {
    json::object item;
    item["name"] = container.name;
    item["phase"] = model::to_string(container.phase);
    codec::put_if(item, "error", container.error);
    codec::put_if(item, "task_status", container.task_status);
    if (container.exit_code) item["exit_code"] = *container.exit_code;
    if (container.restarts != 0) item["restarts"] = container.restarts;
    list.push_back(std::move(item));
  }
  return list;
}

json::object status_object(const model::Sandbox& sandbox) {
  json::object out;
  out.reserve(kMembers);
  out["phase"] = phase_text(sandbox.phase);
  codec::put_if(out, "node_name", sandbox.node.str());
  codec::put_if(out, "ip", sandbox.ip);
  if (!sandbox.ports.empty()) {
    json::array list;
    for (const model::PublishedPort& port : sandbox.ports) {
      json::object item;
      item["host_port"] = port.host_port;
      item["container_port"] = port.container_port;
      item["protocol"] = model::to_string(port.protocol);
      list.push_back(std::move(item));
    }
    out["assigned_ports"] = std::move(list);
  }
  if (sandbox.expires_at) out["expire_at"] = format_rfc3339(*sandbox.expires_at);
  codec::put_if(out, "last_error", sandbox.last_error);
  codec::put_if(out, "reasons", sandbox.reasons);
  if (!sandbox.containers.empty()) out["containers"] = container_statuses(sandbox.containers);
  codec::put_if(out, "external", sandbox.external);
  return out;
}

}  // namespace

std::string_view phase_text(model::Phase phase) {
  switch (phase) {
    case model::Phase::pending: return "Pending";
    case model::Phase::scheduled:
    case model::Phase::creating: return "Scheduled";
    case model::Phase::running:
    case model::Phase::pausing:
    case model::Phase::stopping: return "Running";
    case model::Phase::paused: return "Paused";
    case model::Phase::stopped: return "Stopped";
    case model::Phase::failed: return "Failed";
    case model::Phase::deleting: return "Deleting";
  }
  return "Failed";
}

Result<CreateBody> decode_create(std::string_view body) {
  SBX_TRY(document, codec::read_json(body, kLenient));
  codec::ReadErrors errors({.ignore_case = true});
  const Reader in(document, errors);
  CreateBody out;
  in.read("id", out.id);
  in.read("name", out.name);
  in.object("spec", [&](const Reader& spec) { read_spec(spec, out.spec); });
  SBX_CHECK(errors.status());
  return out;
}

json::object sandbox_object(const model::Sandbox& sandbox) {
  json::object out;
  out.reserve(kMembers);
  out["id"] = sandbox.id.str();
  out["spec"] = spec_object(sandbox.spec);
  out["status"] = status_object(sandbox);
  out["created_at"] = format_rfc3339(sandbox.created_at);
  out["updated_at"] = format_rfc3339(sandbox.updated_at);
  out["name"] = sandbox.name;
  out["revision"] = sandbox.revision;
  return out;
}

std::string error_body(std::string_view text) {
  json::object out;
  out["error"] = text;
  return codec::write_json(out);
}

}  // namespace sandboxd::orch::sandboxd_o
