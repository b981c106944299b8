// Is what a machine has what its records say? Of one machine at a time; checkers.cpp compares records over the cluster.
#include "node/life_cycle.hpp"
#include "world/checkers.hpp"

#include <algorithm>

namespace sandboxd::world {
namespace {

using model::Phase;

bool is_up(const model::NodeSandbox& record) { return record.phase == Phase::running || record.phase == Phase::paused; }

void check_containers(const MachineView& machine, const std::vector<model::NodeSandbox>& records,
                      const std::string& name, Problems& problems) {
  std::map<std::string, bool> left = machine.containers;
  const auto expect = [&](const std::string& key, const SandboxId& id) {
    if (key.empty()) return;
    const auto found = left.find(key);
    if (found == left.end() || !found->second) {
      problems.push_back(name + " does not run container " + key + " of " + id.str());
    }
    left.erase(key);
  };
  // Its files: containers that must be there and must not run.
  const auto expect_files = [&](const std::string& key, const SandboxId& id) {
    if (key.empty()) return;
    const auto found = left.find(key);
    if (found == left.end()) {
      problems.push_back(name + " has lost the files of container " + key + " of " + id.str());
    } else if (found->second) {
      problems.push_back(name + " runs container " + key + " of " + id.str() + ", which is stopped");
    }
    left.erase(key);
  };
  for (const model::NodeSandbox& record : records) {
    if (node::keeps_files(record)) {
      // A restart policy may have been between two lives of a container: then there is none.
      if (record.spec.restart_policy == model::RestartPolicy::never) {
        for (const auto& container : record.containers) expect_files(container.key, record.id);
      }
      for (const auto& container : record.containers) left.erase(container.key);
      left.erase(record.pod_key);
    }
    if (!is_up(record)) continue;
    expect(record.pod_key, record.id);
    for (const model::NodeContainer& container : record.containers) {
      // One that is started again and again may just be between two lives.
      if (record.spec.restart_policy == model::RestartPolicy::never) {
        expect(container.key, record.id);
      } else {
        left.erase(container.key);
      }
    }
  }
  for (const auto& [key, runs] : left) problems.push_back(name + " has leaked container " + key);
}

void check_slots(const MachineView& machine, const std::vector<model::NodeSandbox>& records, const std::string& name,
                 Problems& problems) {
  std::size_t used = 0;
  std::size_t open_ports = 0;
  for (const model::NodeSandbox& record : records) {
    if (!is_up(record)) continue;
    const auto slot = machine.network.slots.find(record.slot);
    if (slot == machine.network.slots.end() || slot->second.ip != record.ip) {
      problems.push_back(name + " lacks the slot of " + record.id.str());
      continue;
    }
    ++used;
    open_ports += record.ports.size();
    const bool all_open = std::all_of(record.ports.begin(), record.ports.end(),
                                      [&](const auto& port) { return machine.network.is_open(record.slot, port); });
    if (!all_open) problems.push_back(name + " does not publish every port of " + record.id.str());
  }
  for (const auto& [slot, state] : machine.network.slots) {
    if (!state.bound) problems.push_back(name + " has the half-made slot " + slot);
  }
  const std::size_t free = machine.network.slots.size() - used;
  if (free != machine.pool_size) {
    problems.push_back(name + " has " + std::to_string(free) + " free slots, not " + std::to_string(machine.pool_size));
  }
  if (machine.network.owners.size() != open_ports) {
    problems.push_back(name + " publishes " + std::to_string(machine.network.owners.size()) + " ports, not " +
                       std::to_string(open_ports));
  }
}

void check_outputs(const MachineView& machine, const std::vector<model::NodeSandbox>& records, const std::string& name,
                   Problems& problems) {
  std::set<SandboxId> left = machine.outputs;
  for (const model::NodeSandbox& record : records) {
    if (left.erase(record.id) == 0 && record.phase == Phase::running) {
      problems.push_back(name + " keeps no log of " + record.id.str());
    }
  }
  for (const SandboxId& id : left) problems.push_back(name + " has a leaked log of " + id.str());
}

}  // namespace

Problems check_networks(const View& view) {
  Problems problems;
  for (const auto& [node, machine] : view.hardware) {
    for (const std::string& what : machine.network.violations()) {
      problems.push_back("node " + node.str() + ": " + what);
    }
  }
  return problems;
}

Problems check_machines(const View& view) {
  if (!view.is_settled) return {};
  Problems problems;
  for (const auto& [node, machine] : view.hardware) {
    const std::string name = "node " + node.str();
    const auto found = view.machines.find(node);
    const auto& records = found == view.machines.end() ? machine.believed : found->second;
    if (!machine.is_up) problems.push_back(name + " has no agent");
    if (machine.believed != records) problems.push_back(name + " believes other than it recorded");
    check_containers(machine, records, name, problems);
    check_slots(machine, records, name, problems);
    check_outputs(machine, records, name, problems);
  }
  return problems;
}

}  // namespace sandboxd::world
