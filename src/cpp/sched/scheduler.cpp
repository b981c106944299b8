#include "sched/scheduler.hpp"

#include <algorithm>
#include <limits>

namespace sandboxd::sched {

std::int64_t disk_bytes_of(const model::SandboxSpec& spec) {
  std::int64_t sum = 0;
  const auto add = [&sum](std::int64_t bytes) {
    if (__builtin_add_overflow(sum, std::max<std::int64_t>(0, bytes), &sum))
      sum = std::numeric_limits<std::int64_t>::max();
  };
  for (const model::Container& container : spec.containers) add(container.resources.ephemeral_storage_bytes.value);
  for (const model::Volume& volume : spec.volumes) add(volume.ephemeral_storage_bytes.value);
  return sum;
}

std::string group_of(const model::Sandbox& sandbox) {
  return sandbox.spec.template_id.empty() ? sandbox.owner : sandbox.owner + "/" + sandbox.spec.template_id;
}

namespace {

std::vector<NodeId> split(std::string_view names) {
  std::vector<NodeId> out;
  while (!names.empty()) {
    const std::size_t slash = std::min(names.find('/'), names.size());
    out.emplace_back(std::string(names.substr(0, slash)));
    names.remove_prefix(std::min(slash + 1, names.size()));
  }
  return out;
}

}  // namespace

Request request_of(const model::Sandbox& sandbox) {
  const model::SandboxSpec& spec = sandbox.spec;
  Request request;
  request.cpu_milli = model::total_request_cpu_milli(spec);
  request.memory_bytes = model::total_request_memory_bytes(spec);
  request.disk_bytes = disk_bytes_of(spec);
  request.selector = spec.node_selector;
  if (const auto nodes = spec.annotations.find(kNodesAnnotation); nodes != spec.annotations.end())
    request.nodes = split(nodes->second);
  for (const model::PortSpec& port : spec.ports) request.host_ports.push_back(port.host_port);
  for (const model::Container& container : spec.containers) request.images.push_back(container.image);
  request.group = group_of(sandbox);
  return request;
}

std::vector<std::string> lines_of(const std::vector<Refusal>& refusals, std::size_t nodes) {
  if (nodes == 0) return {"no nodes are registered"};
  std::vector<std::string> lines;
  lines.reserve(refusals.size() + 1);
  for (const Refusal& refusal : refusals) lines.push_back(refusal.text);
  if (nodes > refusals.size()) lines.push_back("and " + std::to_string(nodes - refusals.size()) + " more nodes");
  return lines;
}

Cluster cluster_of(const Snapshot& snapshot, ClusterOptions options) {
  Cluster cluster(std::move(options));
  for (const NodeView& view : snapshot.nodes) {
    NodeFacts facts;
    facts.ready = view.ready;
    facts.cordoned = view.cordoned;
    facts.labels = view.labels;
    facts.allocatable_cpu_milli = view.allocatable_cpu_milli;
    facts.allocatable_memory_bytes = view.allocatable_memory_bytes;
    facts.allocatable_disk_bytes = view.allocatable_disk_bytes;
    facts.unused_disk_bytes = std::numeric_limits<std::int64_t>::max();
    facts.images = view.images;
    cluster.upsert(view.id, facts);
    Reservation used;
    used.cpu_milli = view.allocatable_cpu_milli - view.free_cpu_milli;
    used.memory_bytes = view.allocatable_memory_bytes - view.free_memory_bytes;
    used.disk_bytes = view.allocatable_disk_bytes - view.free_disk_bytes;
    used.ports = view.taken_ports;
    cluster.reserve(view.id, used);
    for (const auto& [group, count] : view.groups) {
      Reservation member;
      member.group = group;
      for (std::int64_t n = 0; n < count; ++n) cluster.reserve(view.id, member);
    }
    cluster.hold(view.id, view.held);
  }
  return cluster;
}

Decision place(const Snapshot& snapshot, const Request& request, const Policy& policy, std::size_t refusals_max) {
  ClusterOptions options;
  options.policy = policy;
  options.policy.candidates = 0;
  return cluster_of(snapshot, std::move(options)).place(request, MonoTime(), refusals_max);
}

}  // namespace sandboxd::sched
