// The wire's half about nodes and Externals.
#include "orch/api/sandboxd_o/validate.hpp"
#include "orch/api/sandboxd_o/wire.hpp"
#include "orch/api/sandboxd_o/wire_parts.hpp"

#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

using codec::Reader;
namespace json = codec::json;

std::string trimmed_copy(std::string_view text) { return std::string(trimmed(text)); }

}  // namespace

Result<NodeBody> decode_node(std::string_view body) {
  SBX_TRY(document, codec::read_json(body, kLenient));
  codec::ReadErrors errors({.ignore_case = true});
  const Reader in(document, errors);
  NodeBody out;
  in.read("id", out.id);
  in.object("spec", [&](const Reader& spec) {
    spec.read("ip", out.address.ip);
    spec.read("port", out.address.port);
    spec.read("unschedulable", out.unschedulable);
  });
  model::Labels labels;
  in.object("metadata", [&](const Reader& metadata) { metadata.read("labels", labels); });
  SBX_CHECK(errors.status());
  out.id = trimmed_copy(out.id);
  out.address.ip = trimmed_copy(out.address.ip);
  for (const auto& [key, value] : labels) {
    if (!trimmed(key).empty()) out.labels[trimmed_copy(key)] = trimmed(value);
  }
  return out;
}

Result<NodePatchBody> decode_node_patch(std::string_view body) {
  SBX_TRY(document, codec::read_json(body, kLenient));
  codec::ReadErrors errors({.ignore_case = true});
  const Reader in(document, errors);
  NodePatchBody out;
  in.object("spec", [&](const Reader& spec) { spec.read("unschedulable", out.patch.unschedulable); });
  in.object("metadata", [&](const Reader& metadata) {
    out.has_labels = metadata.has("labels");
    metadata.each_member("labels", [&](std::string_view key, const Reader& member) {
      std::optional<std::string> value;
      member.take(value);
      if (value) value = trimmed_copy(*value);
      out.patch.labels[trimmed_copy(key)] = std::move(value);
    });
  });
  SBX_CHECK(errors.status());
  return out;
}

Result<BindExternal> decode_external(std::string_view body) {
  SBX_TRY(document, codec::read_json(body, kLenient));
  codec::ReadErrors errors({.ignore_case = true});
  const Reader in(document, errors);
  BindExternal out;
  std::string node;
  in.read("id", out.id);
  in.object("spec", [&](const Reader& spec) {
    spec.read("node_id", node);
    spec.read("external", out.external);
  });
  SBX_CHECK(errors.status());
  out.id = trimmed_copy(out.id);
  out.node = NodeId(trimmed_copy(node));
  out.external = trimmed_copy(out.external);
  return out;
}

json::object node_object(const model::Node& node) {
  json::object out;
  out["id"] = node.id.str();
  json::object metadata;
  codec::put_if(metadata, "labels", node.labels);
  out["metadata"] = std::move(metadata);
  out["ip"] = node.address.ip;
  out["port"] = node.address.port;
  out["unschedulable"] = node.unschedulable;
  out["state"] = model::to_string(node.state);
  out["source"] = node.source;
  codec::put_if(out, "last_error", node.last_error);
  out["success_streak"] = node.success_streak;
  out["failure_streak"] = node.failure_streak;
  out["created_at"] = format_rfc3339(node.created_at);
  out["updated_at"] = format_rfc3339(node.updated_at);
  if (node.last_heartbeat) out["last_heartbeat"] = format_rfc3339(*node.last_heartbeat);
  out["resources"] = resources_object(node.resources, node.external);
  out["sbxlet_base_url"] = model::base_url(node.address);
  out["name"] = node.id.str();  // the published page's spelling
  if (!node.images.empty()) out["image_count"] = node.images.size();
  return out;
}

json::object whole_node_object(const model::Node& node) {
  json::object out = node_object(node);
  if (!node.images.empty()) out["images"] = codec::to_array(node.images);
  return out;
}

json::object resources_object(const model::NodeResources& r, const std::string& external) {
  json::object out;
  out["capacity_cpu_milli"] = r.capacity_cpu_milli;
  out["capacity_memory_bytes"] = r.capacity_memory_bytes;
  out["allocatable_cpu_milli"] = r.allocatable_cpu_milli;
  out["allocatable_memory_bytes"] = r.allocatable_memory_bytes;
  out["used_cpu_milli"] = r.used_cpu_milli;
  out["used_memory_bytes"] = r.used_memory_bytes;
  out["available_cpu_milli"] = r.available_cpu_milli;
  out["available_memory_bytes"] = r.available_memory_bytes;
  out["max_alloc_percent"] = r.max_alloc_percent;
  if (r.updated_at) out["updated_at"] = format_rfc3339(*r.updated_at);
  codec::put_if(out, "external", external);
  if (r.disk_capacity_bytes > 0) {  // only our nodes tell
    out["disk_capacity_bytes"] = r.disk_capacity_bytes;
    out["disk_free_bytes"] = r.disk_free_bytes;
  }
  return out;
}

json::object external_object(const model::Node& node) {
  json::object out;
  out["id"] = node.external_id;
  out["node_id"] = node.id.str();
  out["external"] = node.external;
  out["created_at"] = format_rfc3339(node.external_created_at.value_or(node.created_at));
  out["updated_at"] = format_rfc3339(node.external_updated_at.value_or(node.updated_at));
  return out;
}

}  // namespace sandboxd::orch::sandboxd_o
