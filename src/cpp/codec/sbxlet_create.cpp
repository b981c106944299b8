// The create request of the node API, both ways, and the parts of it that the sandbox object shows again.
#include "codec/record.hpp"
#include "codec/sbxlet.hpp"
#include "codec/sbxlet_parts.hpp"
#include "model/quantity.hpp"

#include <algorithm>
#include <cctype>

namespace sandboxd::codec::sbxlet {
namespace {

using model::Amount;

void read_amount(const Reader& in, FieldName name, Amount& out,
                 std::optional<std::int64_t> (*parse)(std::string_view text)) {
  in.read(name, out.text);
  out.value = parse(out.text).value_or(0);
}

void read_resources(const Reader& in, model::ContainerResources& out) {
  in.object("resource", [&](const Reader& resource) {
    read_amount(resource, "cpu", out.limit_cpu_milli, model::parse_cpu_milli);
    read_amount(resource, "memory", out.limit_memory_bytes, model::parse_bytes);
    read_amount(resource, {"ephemeralStorage", "ephemeral_storage"}, out.ephemeral_storage_bytes, model::parse_bytes);
  });
  // The original knows one number: what it enforces is what it reserves.
  out.request_cpu_milli = out.limit_cpu_milli.value;
  out.request_memory_bytes = out.limit_memory_bytes.value;
  in.read({"requestCPUMilli", "request_cpu_milli"}, out.request_cpu_milli);
  in.read({"requestMemoryBytes", "request_memory_bytes"}, out.request_memory_bytes);
  in.read({"pidsMax", "pids_max"}, out.pids_max);
}

model::Container read_container(const Reader& in) {
  model::Container out;
  in.read("name", out.name);
  in.read("image", out.image);
  in.read("args", out.args);
  in.read("env", out.env);
  in.read({"workDir", "work_dir"}, out.work_dir);
  in.read("user", out.user);
  in.read({"capAdd", "cap_add"}, out.cap_add);
  in.read({"capDrop", "cap_drop"}, out.cap_drop);
  in.read({"securityOpt", "security_opt"}, out.security_opt);
  in.read({"readOnly", "read_only"}, out.read_only);
  in.each("tmpfs", [&](const Reader& item) {
    model::Tmpfs& entry = out.tmpfs.emplace_back();
    item.read({"mountPath", "mount_path"}, entry.mount_path);
    item.read("options", entry.options);
  });
  in.each({"volumeMounts", "volume_mounts"}, [&](const Reader& item) {
    model::VolumeMount& entry = out.volume_mounts.emplace_back();
    item.read("name", entry.name);
    item.read({"mountPath", "mount_path"}, entry.mount_path);
    item.read({"readOnly", "read_only"}, entry.read_only);
  });
  read_resources(in, out.resources);
  bool hold = false;
  in.read("hold", hold);
  out.command_kind = hold               ? model::CommandKind::hold
                     : out.args.empty() ? model::CommandKind::image
                                        : model::CommandKind::given;
  return out;
}

std::optional<model::ProbeKind> parse_probe_kind(std::string_view text) {
  std::string word(text);
  std::erase_if(word, [](unsigned char c) { return std::isspace(c) != 0; });
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word == "tcp") return model::ProbeKind::tcp;
  if (word == "http") return model::ProbeKind::http;
  return std::nullopt;
}

model::ReadinessProbe read_probe(const Reader& in) {
  model::ReadinessProbe out;
  // The API has no defaults here: what is not given is 0, and validation refuses it.
  out.initial_delay_seconds = out.period_seconds = out.timeout_seconds = 0;
  out.success_threshold = out.failure_threshold = 0;
  in.read("protocol", out.protocol_text);
  out.kind = parse_probe_kind(out.protocol_text).value_or(model::ProbeKind::tcp);
  in.read("port", out.port);
  in.read("path", out.path);
  in.read({"initialDelaySeconds", "initial_delay_seconds"}, out.initial_delay_seconds);
  in.read({"periodSeconds", "period_seconds"}, out.period_seconds);
  in.read({"timeoutSeconds", "timeout_seconds"}, out.timeout_seconds);
  in.read({"successThreshold", "success_threshold"}, out.success_threshold);
  in.read({"failureThreshold", "failure_threshold"}, out.failure_threshold);
  return out;
}

void read_egress(const Reader& in, model::EgressPolicy& out) {
  bool open = false;
  in.read("egress", open);
  out.mode = open ? model::EgressMode::public_internet : model::EgressMode::none;
  in.object({"egressPolicy", "egress_policy"}, [&](const Reader& policy) {
    policy.read_as("mode", out.mode, record::parse_egress_mode);
    policy.read({"allowCIDRs", "allow_cidrs"}, out.allow_cidrs);
    policy.read({"bandwidthBitsPerSecond", "bandwidth_bits_per_second"}, out.bandwidth_bits_per_second);
  });
}

void read_ports(const Reader& in, model::NodeCreateRequest& out) {
  in.each("ports", [&](const Reader& item) {
    model::PortSpec asked;
    item.read({"hostPort", "host_port"}, asked.host_port);
    item.read({"containerPort", "container_port"}, asked.container_port);
    item.read("protocol", asked.protocol_text);
    out.ports.push_back({asked.host_port, asked.container_port, asked.protocol()});
    out.spec.ports.push_back(std::move(asked));
  });
}

json::object container_object(const model::Container& container) {
  json::object out;
  out["name"] = container.name;
  out["image"] = container.image;
  if (container.command_kind == model::CommandKind::given) put_if(out, "args", container.args);
  put_if(out, "env", container.env);
  put_if(out, "workDir", container.work_dir);
  put_parts(out, container);
  out["resource"] = resource_object(container.resources);
  put_if(out, "user", container.user);
  put_if_true(out, "hold", container.command_kind == model::CommandKind::hold);
  const model::ContainerResources& r = container.resources;
  if (r.request_cpu_milli != r.limit_cpu_milli.value) out["requestCPUMilli"] = r.request_cpu_milli;
  if (r.request_memory_bytes != r.limit_memory_bytes.value) out["requestMemoryBytes"] = r.request_memory_bytes;
  if (r.pids_max != 0) out["pidsMax"] = r.pids_max;
  return out;
}

json::object probe_object(const model::ReadinessProbe& probe) {
  json::object out;
  const char* kind = probe.kind == model::ProbeKind::http ? "http" : "tcp";
  out["protocol"] = probe.protocol_text.empty() ? std::string(kind) : probe.protocol_text;
  out["port"] = probe.port;
  put_if(out, "path", probe.path);
  out["initialDelaySeconds"] = probe.initial_delay_seconds;
  out["periodSeconds"] = probe.period_seconds;
  out["timeoutSeconds"] = probe.timeout_seconds;
  out["successThreshold"] = probe.success_threshold;
  out["failureThreshold"] = probe.failure_threshold;
  return out;
}

void put_additions(json::object& out, const model::NodeCreateRequest& request) {
  const model::SandboxSpec& spec = request.spec;
  put_if(out, "uid", request.uid);
  if (spec.ttl_seconds != 0) out["ttlSeconds"] = spec.ttl_seconds;
  put_if(out, "runtime", spec.runtime);
  if (!spec.agent) out["agent"] = false;
  if (spec.on_expiry != model::OnExpiry::remove) out["onExpiry"] = record::to_text(spec.on_expiry);
  if (spec.restart_policy != model::RestartPolicy::never) out["restartPolicy"] = record::to_text(spec.restart_policy);
  if (spec.egress.mode == model::EgressMode::allow_list || !spec.egress.allow_cidrs.empty() ||
      spec.egress.bandwidth_bits_per_second != 0) {
    json::object& policy = out["egressPolicy"].emplace_object();
    policy["mode"] = record::to_text(spec.egress.mode);
    put_if(policy, "allowCIDRs", spec.egress.allow_cidrs);
    if (spec.egress.bandwidth_bits_per_second != 0)
      policy["bandwidthBitsPerSecond"] = spec.egress.bandwidth_bits_per_second;
  }
  put_if(out, "labels", spec.labels);
  put_if(out, "annotations", spec.annotations);
}

}  // namespace

Result<model::NodeCreateRequest> decode_create(std::string_view body) {
  SBX_TRY(document, read_json(body, {.first_value_only = true, .null_is_empty_object = true}));
  ReadErrors errors({.ignore_case = true});
  const Reader in(document, errors);
  model::NodeCreateRequest out;
  std::string id;
  in.read("id", id);
  out.id = SandboxId(std::move(id));
  in.read("uid", out.uid);
  read_egress(in, out.spec.egress);
  read_ports(in, out);
  in.each("volumes", [&](const Reader& item) {
    model::Volume& entry = out.spec.volumes.emplace_back();
    item.read("name", entry.name);
    read_amount(item, {"ephemeralStorage", "ephemeral_storage"}, entry.ephemeral_storage_bytes, model::parse_bytes);
  });
  in.each("containers", [&](const Reader& item) { out.spec.containers.push_back(read_container(item)); });
  in.object({"readinessProbe", "readiness_probe"},
            [&](const Reader& probe) { out.spec.readiness_probe = read_probe(probe); });
  in.read({"ttlSeconds", "ttl_seconds"}, out.spec.ttl_seconds);
  in.read("runtime", out.spec.runtime);
  in.read("agent", out.spec.agent);
  in.read_as({"onExpiry", "on_expiry"}, out.spec.on_expiry, record::parse_on_expiry);
  in.read_as({"restartPolicy", "restart_policy"}, out.spec.restart_policy, record::parse_restart_policy);
  in.read("labels", out.spec.labels);
  in.read("annotations", out.spec.annotations);
  SBX_CHECK(errors.status());
  return out;
}

std::string encode_create(const model::NodeCreateRequest& request) {
  json::object out;
  out["id"] = request.id.str();
  // An allow-list is closed to a node that does not know allow-lists, rather than open.
  out["egress"] = request.spec.egress.mode == model::EgressMode::public_internet;
  json::array& ports = out["ports"].emplace_array();
  for (std::size_t i = 0; i < request.ports.size(); ++i) ports.push_back(port_object(request.ports[i]));
  if (!request.spec.volumes.empty()) out["volumes"] = volumes_array(request.spec.volumes);
  json::array& containers = out["containers"].emplace_array();
  for (const model::Container& container : request.spec.containers) containers.push_back(container_object(container));
  if (request.spec.readiness_probe) out["readinessProbe"] = probe_object(*request.spec.readiness_probe);
  put_additions(out, request);
  return write_json(out);
}

json::object port_object(const model::PublishedPort& port) {
  json::object out;
  out["hostPort"] = port.host_port;
  out["containerPort"] = port.container_port;
  out["protocol"] = model::to_string(port.protocol);
  return out;
}

json::array volumes_array(const std::vector<model::Volume>& volumes) {
  json::array out;
  for (const model::Volume& volume : volumes) {
    json::object& item = out.emplace_back(json::object()).get_object();
    item["name"] = volume.name;
    item["ephemeralStorage"] = amount_text(volume.ephemeral_storage_bytes, model::format_bytes);
  }
  return out;
}

std::string amount_text(const Amount& amount, std::string (*format)(std::int64_t value)) {
  if (!amount.text.empty() || amount.value == 0) return amount.text;
  return format(amount.value);
}

json::object resource_object(const model::ContainerResources& resources) {
  json::object out;
  out["cpu"] = amount_text(resources.limit_cpu_milli, model::format_cpu_milli);
  out["memory"] = amount_text(resources.limit_memory_bytes, model::format_bytes);
  put_if(out, "ephemeralStorage", amount_text(resources.ephemeral_storage_bytes, model::format_bytes));
  return out;
}

void put_parts(json::object& out, const model::Container& container) {
  put_if(out, "capAdd", container.cap_add);
  put_if(out, "capDrop", container.cap_drop);
  put_if(out, "securityOpt", container.security_opt);
  put_if_true(out, "readOnly", container.read_only);
  if (!container.tmpfs.empty()) {
    json::array& list = out["tmpfs"].emplace_array();
    for (const model::Tmpfs& mount : container.tmpfs) {
      json::object& item = list.emplace_back(json::object()).get_object();
      item["mountPath"] = mount.mount_path;
      put_if(item, "options", mount.options);
    }
  }
  if (!container.volume_mounts.empty()) {
    json::array& list = out["volumeMounts"].emplace_array();
    for (const model::VolumeMount& mount : container.volume_mounts) {
      json::object& item = list.emplace_back(json::object()).get_object();
      item["name"] = mount.name;
      item["mountPath"] = mount.mount_path;
      put_if_true(item, "readOnly", mount.read_only);
    }
  }
}

}  // namespace sandboxd::codec::sbxlet
