// A copy of everything that exists, for the checkers.
#include "world/checkers.hpp"

namespace sandboxd::world {
namespace {

MachineView look_at(const Machine& machine) {
  MachineView out;
  out.is_up = machine.is_up();
  out.believed = machine.believed();
  out.network = *machine.hardware().network;
  out.pool_size = static_cast<std::size_t>(machine.options().slot_pool_size);
  for (const auto& [key, container] : machine.hardware().runtime->containers) {
    using Task = ports::FoundContainer::Task;
    out.containers[key] = container.found.task == Task::running || container.found.task == Task::paused;
  }
  for (const auto& [key, lines] : machine.hardware().output->logs) out.outputs.insert(key.first);
  return out;
}

void look_at_engine(orch::Engine& engine, std::size_t refusals_max, View& out) {
  out.is_idle = engine.is_idle();
  out.revision = engine.state().revision();
  out.queued = engine.state().queue().size();
  for (const auto& [id, sandbox] : engine.state().sandboxes()) {
    out.sandboxes.push_back(*sandbox);
    if (!out.is_idle || sandbox->phase != model::Phase::pending || out.refusals.size() >= refusals_max) continue;
    auto lines = engine.decisions().explain(id);
    if (lines) out.refusals[id] = *std::move(lines);
  }
  for (const auto& [id, node] : engine.state().nodes()) out.nodes.push_back(*node);
  for (const sched::NodeView& node : engine.state().cluster().snapshot().nodes) {
    NodeIndex& index = out.indexes[node.id];
    index.reserved_cpu_milli = node.allocatable_cpu_milli - node.free_cpu_milli;
    index.reserved_memory_bytes = node.allocatable_memory_bytes - node.free_memory_bytes;
    index.free_ports = node.free_ports;
  }
}

}  // namespace

View look(Cluster& cluster, bool is_settled, std::size_t refusals_max) {
  View out;
  const auto plane = cluster.plane;
  out.is_up = plane && plane->serving;
  out.is_settled = is_settled;
  out.ledger = cluster.ledger;
  out.host_ports = static_cast<std::size_t>(cluster.config.host_port_max - cluster.config.host_port_min + 1);
  const sim::StoreState& disk = cluster.disk->durable();
  for (const auto& [id, sandbox] : disk.sandboxes) out.durable.sandboxes.push_back(sandbox);
  for (const auto& [id, node] : disk.nodes) out.durable.nodes.push_back(node);
  out.durable.revision = disk.revision;
  for (const SimulatedNode& node : cluster.nodes) {
    out.capacities[node.id] = node.capacity;
    out.machines[node.id] = node.records();
    if (node.machine) out.hardware[node.id] = look_at(*node.machine);
    if (node.is_up()) out.boot_ids[node.id] = node.light ? node.light->boot_id() : node.machine->boot_id();
  }
  if (out.is_up) look_at_engine(*plane->engine, refusals_max, out);
  return out;
}

}  // namespace sandboxd::world
