#include "node/container_plan.hpp"

#include "base/limits.hpp"
#include "model/quantity.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr std::int64_t kMiB = 1024 * 1024;
constexpr std::size_t kUidDigits = 16;
constexpr std::size_t kHostNameMax = 63;
constexpr std::string_view kTmp = "/tmp";

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// FNV-1a: stable over versions and machines, which std::hash is not.
std::string fnv_hex(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  std::string digits(kUidDigits, '0');
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, hash >>= 4) *digit = kDigits[hash & 15];
  return digits;
}

ports::ContainerRequest base_request(const NodeConfig& config, const model::NodeSandbox& sandbox,
                                     const PlanParts& parts) {
  ports::ContainerRequest request;
  request.sandbox = sandbox.id;
  request.uid = sandbox.uid;
  request.handler = handler_of(config, sandbox);
  request.network_namespace = parts.slot.namespace_path;
  // Every later life, as every one that may end in a stop, is on the files of the first.
  request.keeps_files = true;
  request.again = sandbox.phase == model::Phase::creating && sandbox.started_at;
  request.hostname = sandbox.id.str().substr(0, kHostNameMax);
  return request;
}

// gVisor takes the interface's address into its own stack, so a second sandbox in the same network namespace would have
// none: a container that may be started again is a member of a pod whose root keeps the stack.
bool needs_root(const NodeConfig& config, const model::NodeSandbox& sandbox) {
  const bool may_restart = sandbox.spec.restart_policy != model::RestartPolicy::never;
  return sandbox.spec.containers.size() > 1 || (may_restart && handler_of(config, sandbox) == "runsc");
}

std::int64_t pids_of(const model::ContainerResources& resources) {
  return resources.pids_max > 0 ? resources.pids_max : limits::kPidsMax;
}

// 0 where the limit is not raised.
std::int64_t start_cpu(const NodeConfig& config, std::int64_t limit_milli) {
  return limit_milli > 0 && limit_milli < config.start_cpu_milli ? config.start_cpu_milli : 0;
}

std::int64_t storage_of(const NodeConfig& config, const model::Container& container) {
  const std::int64_t asked = container.resources.ephemeral_storage_bytes.value;
  return asked > 0 ? asked : config.default_ephemeral_storage;
}

void add_default_tmp(const StorageSplit& split, model::Container& container) {
  const bool has_tmp =
      std::any_of(container.tmpfs.begin(), container.tmpfs.end(), [](const auto& t) { return t.mount_path == kTmp; });
  if (has_tmp || split.tmp_bytes <= 0) return;
  container.tmpfs.insert(container.tmpfs.begin(),
                         {std::string(kTmp), "nosuid,nodev,mode=1777,size=" + std::to_string(split.tmp_bytes)});
}

}  // namespace

std::string compact_time(WallTime now) {
  std::string digits;
  for (const char c : format_rfc3339(now).substr(0, 19)) {
    if (c == 'T') digits += '-';
    if (c >= '0' && c <= '9') digits += c;
  }
  return digits;
}

std::string handler_of(const NodeConfig& config, const model::NodeSandbox& sandbox) {
  return sandbox.spec.runtime.empty() ? config.runtime : sandbox.spec.runtime;
}

std::string key_prefix(const std::string& instance, const std::string& uid) {
  const bool plain = uid.size() >= kUidDigits && is_hex(std::string_view(uid).substr(0, kUidDigits));
  return "sbx-" + instance + "-" + (plain ? uid.substr(0, kUidDigits) : fnv_hex(uid)) + "-";
}

model::NodeSandbox plan_sandbox(const NodeConfig& config, model::NodeCreateRequest request, WallTime now) {
  model::NodeSandbox sandbox;
  const std::string prefix = key_prefix(config.instance, request.uid);
  sandbox.id = std::move(request.id);
  sandbox.uid = std::move(request.uid);
  sandbox.spec = std::move(request.spec);
  sandbox.ports = std::move(request.ports);
  sandbox.phase = model::Phase::creating;
  sandbox.created_at = now;
  sandbox.updated_at = now;
  if (needs_root(config, sandbox)) sandbox.pod_key = prefix + "p";
  for (std::size_t i = 0; i < sandbox.spec.containers.size(); ++i) {
    model::NodeContainer container;
    container.name = sandbox.spec.containers[i].name;
    container.key = prefix + std::to_string(i);
    container.image = sandbox.spec.containers[i].image;
    sandbox.containers.push_back(std::move(container));
  }
  return sandbox;
}

ports::ContainerRequest plan_root(const NodeConfig& config, const model::NodeSandbox& sandbox, const PlanParts& parts) {
  ports::ContainerRequest request = base_request(config, sandbox, parts);
  request.key = sandbox.pod_key;
  request.role = ports::ContainerRole::pod_root;
  request.container.name = "pause";
  model::ContainerResources& sum = request.container.resources;
  for (const model::Container& container : sandbox.spec.containers) {
    sum.limit_cpu_milli.value += container.resources.limit_cpu_milli.value;
    sum.limit_memory_bytes.value += container.resources.limit_memory_bytes.value;
    sum.ephemeral_storage_bytes.value =
        std::max(sum.ephemeral_storage_bytes.value, container.resources.ephemeral_storage_bytes.value);
    sum.pids_max += pids_of(container.resources);
  }
  request.start_cpu_milli = start_cpu(config, sum.limit_cpu_milli.value);
  sum.request_cpu_milli = model::total_request_cpu_milli(sandbox.spec);
  sum.request_memory_bytes = model::total_request_memory_bytes(sandbox.spec);
  return request;
}

ports::ContainerRequest plan_container(const NodeConfig& config, const model::NodeSandbox& sandbox, std::size_t index,
                                       const PlanParts& parts, ports::ImageInfo image) {
  ports::ContainerRequest request = base_request(config, sandbox, parts);
  request.key = sandbox.containers[index].key;
  request.role = sandbox.pod_key.empty() ? ports::ContainerRole::single : ports::ContainerRole::pod_member;
  request.pod_key = sandbox.pod_key;
  request.container = sandbox.spec.containers[index];
  request.container.resources.pids_max = pids_of(request.container.resources);
  request.start_cpu_milli = start_cpu(config, request.container.resources.limit_cpu_milli.value);
  const std::int64_t storage = storage_of(config, request.container);
  const StorageSplit split = split_storage(storage, config.rootfs_ratio_percent);
  add_default_tmp(split, request.container);
  request.root_bytes = split.root_bytes;
  request.volume_bytes = storage;
  request.image = std::move(image);
  request.mounts = parts.files.common;
  for (const model::VolumeMount& mount : request.container.volume_mounts) {
    const auto volume = parts.files.volumes.find(mount.name);
    if (volume != parts.files.volumes.end())
      request.mounts.push_back({volume->second, mount.mount_path, mount.read_only});
  }
  return request;
}

std::vector<RaisedCpu> raised_cpu(const NodeConfig& config, const model::NodeSandbox& sandbox) {
  std::vector<RaisedCpu> out;
  const auto add = [&](const std::string& key, std::int64_t limit) {
    if (start_cpu(config, limit) > 0) out.push_back({key, limit});
  };
  std::int64_t sum = 0;
  for (const model::Container& container : sandbox.spec.containers) sum += container.resources.limit_cpu_milli.value;
  if (!sandbox.pod_key.empty() && handler_of(config, sandbox) == "runsc") {
    add(sandbox.pod_key, sum);
    return out;
  }
  for (std::size_t i = 0; i < sandbox.containers.size(); ++i)
    add(sandbox.containers[i].key, sandbox.spec.containers[i].resources.limit_cpu_milli.value);
  return out;
}

StorageSplit split_storage(std::int64_t total_bytes, std::int64_t root_percent) {
  StorageSplit split;
  split.root_bytes = total_bytes / 100 * root_percent + total_bytes % 100 * root_percent / 100;
  if (total_bytes >= 48 * kMiB) {
    split.root_bytes = std::max(split.root_bytes, 32 * kMiB);
    if (root_percent < 100) split.root_bytes = std::min(split.root_bytes, total_bytes - 16 * kMiB);
  }
  split.tmp_bytes = total_bytes - split.root_bytes;
  return split;
}

}  // namespace sandboxd::node
