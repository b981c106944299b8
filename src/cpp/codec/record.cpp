// Records of sandboxes and nodes; the spec's record is in record_spec.cpp.
#include "codec/record.hpp"

#include "codec/json.hpp"
#include "codec/record_parts.hpp"

namespace sandboxd::codec::record {
namespace {

json::object resources_object(const model::NodeResources& r) {
  json::object out;
  put_number(out, "capacity_cpu_milli", r.capacity_cpu_milli);
  put_number(out, "capacity_memory_bytes", r.capacity_memory_bytes);
  put_number(out, "allocatable_cpu_milli", r.allocatable_cpu_milli);
  put_number(out, "allocatable_memory_bytes", r.allocatable_memory_bytes);
  put_number(out, "used_cpu_milli", r.used_cpu_milli);
  put_number(out, "used_memory_bytes", r.used_memory_bytes);
  put_number(out, "available_cpu_milli", r.available_cpu_milli);
  put_number(out, "available_memory_bytes", r.available_memory_bytes);
  put_number(out, "max_alloc_percent", r.max_alloc_percent);
  put_number(out, "disk_capacity_bytes", r.disk_capacity_bytes);
  put_number(out, "disk_free_bytes", r.disk_free_bytes);
  put_time(out, "updated_at_ns", r.updated_at);
  return out;
}

void read_resources(const Reader& in, model::NodeResources& out) {
  in.read("capacity_cpu_milli", out.capacity_cpu_milli);
  in.read("capacity_memory_bytes", out.capacity_memory_bytes);
  in.read("allocatable_cpu_milli", out.allocatable_cpu_milli);
  in.read("allocatable_memory_bytes", out.allocatable_memory_bytes);
  in.read("used_cpu_milli", out.used_cpu_milli);
  in.read("used_memory_bytes", out.used_memory_bytes);
  in.read("available_cpu_milli", out.available_cpu_milli);
  in.read("available_memory_bytes", out.available_memory_bytes);
  in.read("max_alloc_percent", out.max_alloc_percent);
  in.read("disk_capacity_bytes", out.disk_capacity_bytes);
  in.read("disk_free_bytes", out.disk_free_bytes);
  read_time(in, "updated_at_ns", out.updated_at);
}

json::array ports_array(const std::vector<model::PublishedPort>& ports) {
  json::array out;
  for (const model::PublishedPort& port : ports) {
    json::object& item = out.emplace_back(json::object()).get_object();
    item["host_port"] = port.host_port;
    item["container_port"] = port.container_port;
    item["protocol"] = model::to_string(port.protocol);
  }
  return out;
}

void read_port(const Reader& in, std::vector<model::PublishedPort>& out) {
  model::PublishedPort& port = out.emplace_back();
  in.require("host_port", port.host_port);
  in.require("container_port", port.container_port);
  in.read_as("protocol", port.protocol, model::parse_protocol);
}

json::array containers_array(const std::vector<model::ContainerStatus>& containers) {
  json::array out;
  for (const model::ContainerStatus& container : containers) {
    json::object& item = out.emplace_back(json::object()).get_object();
    item["name"] = container.name;
    item["phase"] = model::to_string(container.phase);
    put_if(item, "error", container.error);
    put_if(item, "task_status", container.task_status);
    if (container.exit_code) item["exit_code"] = *container.exit_code;
    put_number(item, "restarts", container.restarts);
  }
  return out;
}

void read_container(const Reader& in, std::vector<model::ContainerStatus>& out) {
  model::ContainerStatus& container = out.emplace_back();
  in.require("name", container.name);
  in.read_as("phase", container.phase, model::parse_container_phase);
  in.read("error", container.error);
  in.read("task_status", container.task_status);
  in.read("exit_code", container.exit_code);
  in.read("restarts", container.restarts);
}

json::array node_containers_array(const std::vector<model::NodeContainer>& containers) {
  json::array out;
  for (const model::NodeContainer& container : containers) {
    json::object& item = out.emplace_back(json::object()).get_object();
    item["name"] = container.name;
    item["key"] = container.key;
    item["phase"] = model::to_string(container.phase);
    put_if(item, "image", container.image);
    put_if(item, "image_digest", container.image_digest);
    put_if(item, "error", container.error);
    put_if(item, "task_status", container.task_status);
    put_number(item, "pid", container.pid);
    if (container.exit_code) item["exit_code"] = *container.exit_code;
    put_number(item, "restarts", container.restarts);
  }
  return out;
}

void read_node_container(const Reader& in, std::vector<model::NodeContainer>& out) {
  model::NodeContainer& container = out.emplace_back();
  in.require("name", container.name);
  in.read("key", container.key);
  in.read_as("phase", container.phase, model::parse_container_phase);
  in.read("image", container.image);
  in.read("image_digest", container.image_digest);
  in.read("error", container.error);
  in.read("task_status", container.task_status);
  in.read("pid", container.pid);
  in.read("exit_code", container.exit_code);
  in.read("restarts", container.restarts);
}

void read_sandbox(const Reader& in, model::Sandbox& out) {
  read_id(in, "id", out.id);
  in.read("uid", out.uid);
  in.read("name", out.name);
  in.read("owner", out.owner);
  in.read("dialect", out.dialect);
  in.object("spec", [&](const Reader& spec) { read_spec(spec, out.spec); });
  in.read_as("desired", out.desired, model::parse_desired);
  in.read_as("phase", out.phase, model::parse_phase);
  in.read("memory_kept", out.memory_kept);
  std::string node;
  in.read("node", node);
  out.node = NodeId(std::move(node));
  in.read("ip", out.ip);
  in.each("ports", [&](const Reader& item) { read_port(item, out.ports); });
  in.each("containers", [&](const Reader& item) { read_container(item, out.containers); });
  in.read("external", out.external);
  in.read("last_error", out.last_error);
  in.read("reasons", out.reasons);
  read_time(in, "created_at_ns", out.created_at);
  read_time(in, "updated_at_ns", out.updated_at);
  read_time(in, "expires_at_ns", out.expires_at);
  read_time(in, "running_since_ns", out.running_since);
  read_time(in, "ended_at_ns", out.ended_at);
  in.read("revision", out.revision);
}

void read_node(const Reader& in, model::Node& out) {
  read_id(in, "id", out.id);
  in.read("ip", out.address.ip);
  in.read("port", out.address.port);
  in.read("labels", out.labels);
  in.read("unschedulable", out.unschedulable);
  in.read("removing", out.removing);
  in.read_as("state", out.state, model::parse_node_state);
  in.read("source", out.source);
  in.read("last_error", out.last_error);
  in.read("boot_id", out.boot_id);
  in.read("success_streak", out.success_streak);
  in.read("failure_streak", out.failure_streak);
  in.object("resources", [&](const Reader& resources) { read_resources(resources, out.resources); });
  in.read("external", out.external);
  in.read("external_id", out.external_id);
  read_time(in, "external_created_at_ns", out.external_created_at);
  read_time(in, "external_updated_at_ns", out.external_updated_at);
  read_time(in, "created_at_ns", out.created_at);
  read_time(in, "updated_at_ns", out.updated_at);
  read_time(in, "last_heartbeat_ns", out.last_heartbeat);
  in.read("revision", out.revision);
}

void read_node_sandbox(const Reader& in, model::NodeSandbox& out) {
  read_id(in, "id", out.id);
  in.read("uid", out.uid);
  in.object("spec", [&](const Reader& spec) { read_spec(spec, out.spec); });
  in.each("ports", [&](const Reader& item) { read_port(item, out.ports); });
  in.read_as("desired", out.desired, model::parse_desired);
  in.read("order", out.order);
  in.read("own_wish", out.own_wish);
  in.read_as("phase", out.phase, model::parse_phase);
  in.read("error", out.error);
  in.read("slot", out.slot);
  in.read("ip", out.ip);
  in.read("pod_key", out.pod_key);
  in.each("containers", [&](const Reader& item) { read_node_container(item, out.containers); });
  read_time(in, "created_at_ns", out.created_at);
  read_time(in, "updated_at_ns", out.updated_at);
  read_time(in, "started_at_ns", out.started_at);
  read_time(in, "ended_at_ns", out.ended_at);
}

}  // namespace

std::string encode_sandbox(const model::Sandbox& s) {
  json::object out = versioned();
  out["id"] = s.id.str();
  put_if(out, "uid", s.uid);
  put_if(out, "name", s.name);
  out["owner"] = s.owner;
  put_if(out, "dialect", s.dialect);
  out["spec"] = spec_object(s.spec);
  out["desired"] = model::to_string(s.desired);
  out["phase"] = model::to_string(s.phase);
  put_if_true(out, "memory_kept", s.memory_kept);
  put_if(out, "node", s.node.str());
  put_if(out, "ip", s.ip);
  if (!s.ports.empty()) out["ports"] = ports_array(s.ports);
  if (!s.containers.empty()) out["containers"] = containers_array(s.containers);
  put_if(out, "external", s.external);
  put_if(out, "last_error", s.last_error);
  put_if(out, "reasons", s.reasons);
  out["created_at_ns"] = s.created_at.ns;
  out["updated_at_ns"] = s.updated_at.ns;
  put_time(out, "expires_at_ns", s.expires_at);
  put_time(out, "running_since_ns", s.running_since);
  put_time(out, "ended_at_ns", s.ended_at);
  out["revision"] = s.revision;
  return write_json(out);
}

Result<model::Sandbox> decode_sandbox(std::string_view id, std::string_view text) {
  return decode_versioned<model::Sandbox>("sandbox", id, text, read_sandbox);
}

std::string encode_node(const model::Node& n) {
  json::object out = versioned();
  out["id"] = n.id.str();
  out["ip"] = n.address.ip;
  out["port"] = n.address.port;
  put_if(out, "labels", n.labels);
  put_if_true(out, "unschedulable", n.unschedulable);
  put_if_true(out, "removing", n.removing);
  out["state"] = model::to_string(n.state);
  out["source"] = n.source;
  put_if(out, "last_error", n.last_error);
  put_if(out, "boot_id", n.boot_id);
  put_number(out, "success_streak", n.success_streak);
  put_number(out, "failure_streak", n.failure_streak);
  out["resources"] = resources_object(n.resources);
  out["external"] = n.external;
  put_if(out, "external_id", n.external_id);
  put_time(out, "external_created_at_ns", n.external_created_at);
  put_time(out, "external_updated_at_ns", n.external_updated_at);
  out["created_at_ns"] = n.created_at.ns;
  out["updated_at_ns"] = n.updated_at.ns;
  put_time(out, "last_heartbeat_ns", n.last_heartbeat);
  out["revision"] = n.revision;
  return write_json(out);
}

Result<model::Node> decode_node(std::string_view id, std::string_view text) {
  return decode_versioned<model::Node>("node", id, text, read_node);
}

std::string encode_node_sandbox(const model::NodeSandbox& s) {
  json::object out = versioned();
  out["id"] = s.id.str();
  put_if(out, "uid", s.uid);
  out["spec"] = spec_object(s.spec);
  if (!s.ports.empty()) out["ports"] = ports_array(s.ports);
  if (s.desired != model::Desired::running) out["desired"] = model::to_string(s.desired);
  put_number(out, "order", s.order);
  put_if_true(out, "own_wish", s.own_wish);
  out["phase"] = model::to_string(s.phase);
  put_if(out, "error", s.error);
  put_if(out, "slot", s.slot);
  put_if(out, "ip", s.ip);
  put_if(out, "pod_key", s.pod_key);
  if (!s.containers.empty()) out["containers"] = node_containers_array(s.containers);
  out["created_at_ns"] = s.created_at.ns;
  out["updated_at_ns"] = s.updated_at.ns;
  put_time(out, "started_at_ns", s.started_at);
  put_time(out, "ended_at_ns", s.ended_at);
  return write_json(out);
}

Result<model::NodeSandbox> decode_node_sandbox(std::string_view id, std::string_view text) {
  return decode_versioned<model::NodeSandbox>("sandbox", id, text, read_node_sandbox);
}

std::string encode_ports(const std::vector<model::PublishedPort>& ports) { return write_json(ports_array(ports)); }

Result<std::vector<model::PublishedPort>> decode_ports(std::string_view id, std::string_view text) {
  return decode_list<model::PublishedPort>("sandbox", id, "ports", text, read_port);
}

std::string encode_containers(const std::vector<model::ContainerStatus>& containers) {
  return write_json(containers_array(containers));
}

Result<std::vector<model::ContainerStatus>> decode_containers(std::string_view id, std::string_view text) {
  return decode_list<model::ContainerStatus>("sandbox", id, "containers", text, read_container);
}

std::string encode_texts(const std::vector<std::string>& texts) { return write_json(to_array(texts)); }

Result<std::vector<std::string>> decode_texts(std::string_view id, std::string_view text) {
  return decode_list<std::string>("sandbox", id, "reasons", text,
                                  [](const Reader& in, std::vector<std::string>& out) { in.take(out.emplace_back()); });
}

std::string encode_labels(const model::Labels& labels) { return write_json(to_object(labels)); }

Result<model::Labels> decode_labels(std::string_view id, std::string_view text) {
  return decode_text<model::Labels>("node", id, text, [](const Reader& in, model::Labels& out) { in.take(out); });
}

std::string encode_resources(const model::NodeResources& resources) { return write_json(resources_object(resources)); }

Result<model::NodeResources> decode_resources(std::string_view id, std::string_view text) {
  return decode_text<model::NodeResources>("node", id, text, read_resources);
}

}  // namespace sandboxd::codec::record
