// What a node answers and streams: sandboxes, resources, status items, watch events, errors.
#include "codec/sbxlet.hpp"

#include "base/limits.hpp"
#include "base/time.hpp"
#include "codec/json_bytes.hpp"
#include "codec/sbxlet_parts.hpp"

#include <algorithm>
#include <map>

namespace sandboxd::codec::sbxlet {
namespace {

json::object container_state(const model::NodeSandbox& sandbox, const model::NodeContainer& state,
                             const model::Container& spec, const std::string& runtime) {
  json::object out;
  out["id"] = state.key.empty() ? sandbox.id.str() + "-" + state.name : state.key;
  out["name"] = state.name;
  out["phase"] = model::to_string(state.phase);
  put_if(out, "error", state.error);
  out["image"] = state.image.empty() ? spec.image : state.image;
  put_if(out, "args", spec.args);
  put_if(out, "env", spec.env);
  put_parts(out, spec);
  out["resource"] = resource_object(spec.resources);
  out["taskPID"] = state.pid;
  out["runtime"] = runtime;
  put_if(out, "taskStatus", state.task_status);
  if (state.exit_code) out["exitCode"] = *state.exit_code;
  if (state.restarts != 0) out["restarts"] = state.restarts;
  put_if(out, "imageDigest", state.image_digest);
  return out;
}

// Sorted by name: the original's object comes from a map that is written in key order.
json::object containers_by_name(const model::NodeSandbox& sandbox, const std::string& runtime) {
  static const model::Container kNone;
  std::map<std::string, json::object> sorted;
  for (const model::NodeContainer& state : sandbox.containers) {
    const auto& specs = sandbox.spec.containers;
    const auto spec =
        std::find_if(specs.begin(), specs.end(), [&](const model::Container& c) { return c.name == state.name; });
    sorted[state.name] = container_state(sandbox, state, spec == specs.end() ? kNone : *spec, runtime);
  }
  json::object out;
  for (auto& [name, container] : sorted) out.emplace(name, std::move(container));
  return out;
}

bool is_unhealthy(const model::ContainerStatus& container) {
  const bool expected =
      container.phase == model::ContainerPhase::running || container.phase == model::ContainerPhase::creating;
  return !expected || !container.error.empty();
}

json::object container_status(const model::ContainerStatus& container, bool with_exit_code) {
  json::object out;
  out["name"] = container.name;
  out["phase"] = model::to_string(container.phase);
  put_if(out, "error", container.error);
  put_if(out, "task_status", container.task_status);
  if (with_exit_code && container.exit_code) out["exit_code"] = *container.exit_code;
  if (with_exit_code && container.restarts != 0) out["restarts"] = container.restarts;
  return out;
}

model::ContainerStatus read_container_status(const Reader& in) {
  model::ContainerStatus out;
  in.require("name", out.name);
  // A word that this version does not know is no reason to lose the whole report.
  std::string phase;
  in.read("phase", phase);
  out.phase = model::parse_container_phase(phase).value_or(model::ContainerPhase::unknown);
  in.read("error", out.error);
  in.read("task_status", out.task_status);
  in.read("exit_code", out.exit_code);
  in.read("restarts", out.restarts);
  return out;
}

void read_id(const Reader& in, SandboxId& out) {
  std::string id;
  in.require("id", id);
  out = SandboxId(std::move(id));
}

struct ResourceField {
  const char* name;
  std::int64_t model::NodeResources::* member;
};
constexpr ResourceField kResourceFields[] = {
    {"capacity_cpu_milli", &model::NodeResources::capacity_cpu_milli},
    {"capacity_memory_bytes", &model::NodeResources::capacity_memory_bytes},
    {"allocatable_cpu_milli", &model::NodeResources::allocatable_cpu_milli},
    {"allocatable_memory_bytes", &model::NodeResources::allocatable_memory_bytes},
    {"used_cpu_milli", &model::NodeResources::used_cpu_milli},
    {"used_memory_bytes", &model::NodeResources::used_memory_bytes},
    {"available_cpu_milli", &model::NodeResources::available_cpu_milli},
    {"available_memory_bytes", &model::NodeResources::available_memory_bytes},
    {"max_alloc_percent", &model::NodeResources::max_alloc_percent},
};

// Ours; left out when not known.
constexpr ResourceField kDiskFields[] = {
    {"disk_capacity_bytes", &model::NodeResources::disk_capacity_bytes},
    {"disk_free_bytes", &model::NodeResources::disk_free_bytes},
};

// An object that is not closed yet.
std::string items_member(const std::vector<std::string_view>& items) {
  std::size_t bytes = 64;
  for (const std::string_view item : items) bytes += item.size() + 1;
  std::string out;
  out.reserve(bytes);
  out += R"({"items":[)";
  for (const std::string_view item : items) {
    if (out.back() != '[') out += ',';
    out += item;
  }
  return out += ']';
}

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

}  // namespace

json::object sandbox_object(const model::NodeSandbox& sandbox, const NodeFacts& facts) {
  json::object out;
  out["id"] = sandbox.id.str();
  out["phase"] = model::to_node_text(sandbox.phase);
  put_if(out, "error", sandbox.error);
  if (sandbox.desired != model::Desired::running) out["desired"] = model::to_string(sandbox.desired);
  out["namespace"] = facts.runtime_namespace;
  out["ip"] = sandbox.ip;
  out["subnetCIDR"] = facts.subnet_cidr;
  out["bridgeName"] = facts.bridge_name;
  out["egress"] = sandbox.spec.egress.mode != model::EgressMode::none;
  if (!sandbox.ports.empty()) {
    json::array& ports = out["ports"].emplace_array();
    for (const model::PublishedPort& port : sandbox.ports) ports.push_back(port_object(port));
  }
  if (!sandbox.spec.volumes.empty()) out["volumes"] = volumes_array(sandbox.spec.volumes);
  const std::string& runtime = sandbox.spec.runtime.empty() ? facts.runtime : sandbox.spec.runtime;
  out["containers"] = containers_by_name(sandbox, runtime);
  put_if(out, "pauseID", sandbox.pod_key);
  out["cniConfPath"] = facts.cni_conf_path;
  out["createdAt"] = format_rfc3339(sandbox.created_at);
  out["updatedAt"] = format_rfc3339(sandbox.updated_at);
  if (sandbox.started_at) out["startedAt"] = format_rfc3339(*sandbox.started_at);
  if (sandbox.ended_at) out["endedAt"] = format_rfc3339(*sandbox.ended_at);
  return out;
}

json::array pulls_array(const std::vector<model::PullProgress>& pulls) {
  json::array out;
  for (const model::PullProgress& pull : pulls) {
    json::object item;
    item["image"] = pull.image;
    item["layersDone"] = pull.layers_done;
    item["layersTotal"] = pull.layers_total;
    item["bytesDone"] = pull.bytes_done;
    item["bytesTotal"] = pull.bytes_total;
    item["message"] = model::to_text(pull);
    out.push_back(std::move(item));
  }
  return out;
}

json::object resources_object(const model::NodeResources& resources) {
  json::object out;
  for (const ResourceField& field : kResourceFields) out[field.name] = resources.*field.member;
  if (resources.updated_at) out["updated_at"] = format_rfc3339(*resources.updated_at);
  if (resources.disk_capacity_bytes > 0) {
    for (const ResourceField& field : kDiskFields) out[field.name] = resources.*field.member;
  }
  return out;
}

model::NodeResources read_resources(const Reader& in) {
  model::NodeResources out;
  for (const ResourceField& field : kResourceFields) in.read(field.name, out.*field.member);
  for (const ResourceField& field : kDiskFields) in.read(field.name, out.*field.member);
  WallTime updated_at;
  if (in.has("updated_at")) {
    in.read_as("updated_at", updated_at, parse_rfc3339);
    out.updated_at = updated_at;
  }
  return out;
}

std::string encode_node_status(const model::NodeResources& resources) {
  json::object out;
  out["ok"] = true;
  out["resources"] = resources_object(resources);
  return write_json(out);
}

Result<model::NodeResources> decode_node_status(std::string_view body) {
  SBX_TRY(document, read_json(body, kAnswer));
  ReadErrors errors(kAnswerFields);
  const Reader in(document, errors);
  model::NodeResources out;
  if (!in.has("resources")) in.fail("the node's status has no \"resources\"");
  in.object("resources", [&](const Reader& resources) { out = read_resources(resources); });
  SBX_CHECK(errors.status());
  return out;
}

json::object status_object(const model::NodeSandboxStatus& status) {
  json::object out;
  out["id"] = status.id.str();
  put_if(out, "ip", status.ip);
  out["phase"] = model::to_node_text(status.phase);
  put_if(out, "error", status.error);
  json::array unhealthy;
  json::array all;
  for (const model::ContainerStatus& container : status.containers) {
    if (is_unhealthy(container)) unhealthy.push_back(container_status(container, false));
    all.push_back(container_status(container, true));
  }
  if (!unhealthy.empty()) out["unhealthy_containers"] = std::move(unhealthy);
  put_if(out, "uid", status.uid);
  if (status.desired) out["desired"] = model::to_string(*status.desired);
  if (status.order != 0) out["order"] = status.order;
  put_if_true(out, "ownWish", status.own_wish);
  if (status.started_at) out["startedAt"] = format_rfc3339(*status.started_at);
  if (status.ended_at) out["endedAt"] = format_rfc3339(*status.ended_at);
  if (!all.empty()) out["containers"] = std::move(all);
  return out;
}

model::NodeSandboxStatus read_status(const Reader& in) {
  model::NodeSandboxStatus out;
  read_id(in, out.id);
  in.read("uid", out.uid);
  in.read_as("phase", out.phase, model::parse_node_phase);
  in.read("ip", out.ip);
  in.read("error", out.error);
  if (in.has("desired")) in.read_as("desired", out.desired.emplace(), model::parse_desired);
  in.read("order", out.order);
  in.read("ownWish", out.own_wish);
  const auto read_time = [&](const char* name, std::optional<WallTime>& at) {
    std::string text;
    in.read(name, text);
    if (!text.empty()) at = parse_rfc3339(text);
  };
  read_time("startedAt", out.started_at);
  read_time("endedAt", out.ended_at);
  const char* containers = in.has("containers") ? "containers" : "unhealthy_containers";
  in.each(containers, [&](const Reader& item) { out.containers.push_back(read_container_status(item)); });
  return out;
}

Result<std::vector<std::string>> decode_status_ids(std::string_view body) {
  SBX_TRY(document, read_json(body, {.first_value_only = true, .null_is_empty_object = true}));
  ReadErrors errors({.ignore_case = true});
  std::vector<std::string> ids;
  Reader(document, errors).read("ids", ids);
  SBX_CHECK(errors.status());
  return ids;
}

std::string encode_status_ids(const std::vector<SandboxId>& ids) {
  json::object out;
  json::array& list = out["ids"].emplace_array();
  for (const SandboxId& id : ids) list.emplace_back(id.str());
  return write_json(out);
}

std::string encode_page(const std::vector<std::string_view>& items, const std::string& next_cursor) {
  std::string out = items_member(items);
  if (!next_cursor.empty()) {
    out += R"(,"next_cursor":)";
    append_json_string(next_cursor, out);
  }
  return out += '}';
}

std::string encode_status_batch(const std::vector<std::string_view>& items, const std::vector<SandboxId>& missing) {
  std::string out = items_member(items);
  if (!missing.empty()) {
    json::array ids;
    for (const SandboxId& id : missing) ids.emplace_back(id.str());
    out += R"(,"missing":)";
    append_json(ids, out);
  }
  return out += '}';
}

Result<StatusBatch> decode_status_batch(std::string_view body) {
  SBX_TRY(document, read_json(body, kAnswer));
  ReadErrors errors(kAnswerFields);
  const Reader in(document, errors);
  StatusBatch out;
  in.each("items", [&](const Reader& item) { out.items.push_back(read_status(item)); });
  std::vector<std::string> missing;
  in.read("missing", missing);
  SBX_CHECK(errors.status());
  for (std::string& id : missing) out.missing.emplace_back(std::move(id));
  return out;
}

WireEvent encode_event(const model::NodeEvent& event) {
  return std::visit(Overloaded{[](const model::NodeReport& report) {
                                 json::object out;
                                 out["boot_id"] = report.boot_id;
                                 out["resources"] = resources_object(report.resources);
                                 if (report.images) out["images"] = to_array(*report.images);
                                 return WireEvent{"report", write_json(out)};
                               },
                               [](const model::NodeSandboxStatus& status) {
                                 return WireEvent{"sandbox", write_json(status_object(status))};
                               },
                               [](const model::NodeSandboxGone& gone) {
                                 json::object out;
                                 out["id"] = gone.id.str();
                                 put_if(out, "uid", gone.uid);
                                 return WireEvent{"gone", write_json(out)};
                               },
                               [](const model::NodeSnapshotEnd&) { return WireEvent{"snapshot_end", "{}"}; }},
                    event);
}

Result<std::optional<model::NodeEvent>> decode_event(std::string_view name, std::string_view data) {
  std::optional<model::NodeEvent> out;
  if (name == "snapshot_end") {
    out = model::NodeSnapshotEnd{};
    return out;
  }
  if (name != "report" && name != "sandbox" && name != "gone") return out;
  const auto decoded = read_json(data, kAnswer);
  if (!decoded) return decoded.error().with_context("event \"" + std::string(name) + "\"");
  ReadErrors errors(kAnswerFields);
  const Reader in(*decoded, errors);
  if (name == "report") {
    model::NodeReport report;
    in.require("boot_id", report.boot_id);
    in.object("resources", [&](const Reader& resources) { report.resources = read_resources(resources); });
    in.read("images", report.images);
    if (report.images && report.images->size() > limits::kNodeImagesMax) report.images->resize(limits::kNodeImagesMax);
    out = std::move(report);
  } else if (name == "sandbox") {
    if (!in.has("phase")) in.fail("phase: is required");
    out = read_status(in);
  } else {
    model::NodeSandboxGone gone;
    read_id(in, gone.id);
    in.read("uid", gone.uid);
    out = std::move(gone);
  }
  if (const auto status = errors.status(); !status) {
    return status.error().with_context("event \"" + std::string(name) + "\"");
  }
  return out;
}

std::string encode_error(std::string_view text) {
  json::object out;
  out["error"] = text;
  return write_json(out);
}

std::string decode_error(std::string_view body) {
  ReadErrors errors(kAnswerFields);
  if (const auto document = read_json(body, kAnswer); document && document->is_object()) {
    std::string text;
    Reader(*document, errors).read("error", text);
    if (errors.ok() && !text.empty()) return valid_utf8(text, limits::kErrorTextMax);
  }
  return valid_utf8(body, limits::kErrorTextMax);
}

}  // namespace sandboxd::codec::sbxlet
