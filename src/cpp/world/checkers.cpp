#include "world/checkers.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace sandboxd::world {
namespace {

using model::Phase;

bool may_run(Phase phase) {
  return phase == Phase::scheduled || phase == Phase::creating || phase == Phase::running || phase == Phase::pausing ||
         phase == Phase::paused || phase == Phase::stopping;
}

std::string name_of(const model::Sandbox& sandbox) { return "sandbox " + sandbox.id.str(); }

using ById = std::map<SandboxId, const model::Sandbox*>;

ById by_id(const std::vector<model::Sandbox>& sandboxes) {
  ById out;
  for (const model::Sandbox& sandbox : sandboxes) out.emplace_hint(out.end(), sandbox.id, &sandbox);
  return out;
}

const model::Sandbox* find(const ById& sandboxes, const SandboxId& id) {
  const auto found = sandboxes.find(id);
  return found == sandboxes.end() ? nullptr : found->second;
}

// Without what heartbeats change and nobody stores.
model::Node stored_part(model::Node node) {
  node.last_heartbeat.reset();
  node.success_streak = 0;
  node.failure_streak = 0;
  node.last_error.clear();
  node.resources = {};
  node.images.clear();
  return node;
}

}  // namespace

Problems check_capacity(const View& view) {
  Problems problems;
  std::map<NodeId, std::pair<std::int64_t, std::int64_t>> promised;
  for (const model::Sandbox& sandbox : view.sandboxes) {
    if (!may_run(sandbox.phase) || was_node_asked(view.ledger, sandbox.id)) continue;
    promised[sandbox.node].first += model::total_request_cpu_milli(sandbox.spec);
    promised[sandbox.node].second += model::total_request_memory_bytes(sandbox.spec);
  }
  for (const auto& [node, sums] : promised) {
    const auto capacity = view.capacities.find(node);
    if (capacity == view.capacities.end()) {
      problems.push_back("sandboxes are on an unknown node " + node.str());
    } else if (sums.first > capacity->second.cpu_milli || sums.second > capacity->second.memory_bytes) {
      problems.push_back("node " + node.str() + " is promised more than it has");
    }
  }
  return problems;
}

Problems check_ports(const View& view) {
  Problems problems;
  std::map<std::pair<NodeId, int>, SandboxId> owners;
  for (const model::Sandbox& sandbox : view.sandboxes) {
    for (const model::PublishedPort& port : sandbox.ports) {
      const auto [owner, is_new] = owners.try_emplace({sandbox.node, port.host_port}, sandbox.id);
      if (!is_new) {
        problems.push_back("port " + std::to_string(port.host_port) + " of node " + sandbox.node.str() +
                           " belongs to " + owner->second.str() + " and " + sandbox.id.str());
      }
    }
  }
  return problems;
}

Problems check_lives(const View& view) {
  Problems problems;
  std::map<std::string, NodeId> by_uid;
  std::map<SandboxId, std::string> running;
  for (const auto& [node, machine] : view.machines) {
    for (const model::NodeSandbox& sandbox : machine) {
      if (!by_uid.try_emplace(sandbox.uid, node).second) {
        problems.push_back("the same life of " + sandbox.id.str() + " is on two nodes");
      }
      if (!may_run(sandbox.phase)) continue;
      if (!running.try_emplace(sandbox.id, sandbox.uid).second) {
        problems.push_back("two lives of " + sandbox.id.str() + " run at once");
      }
    }
  }
  return problems;
}

Problems check_ledger(const View& view) {
  Problems problems;
  const ById stored = by_id(view.durable.sandboxes);
  for (const auto& [id, entry] : view.ledger) {
    const model::Sandbox* durable = find(stored, id);
    const bool is_there = durable != nullptr && durable->uid == entry.uid;
    if (!entry.delete_sent && !entry.may_expire && !is_there) {
      problems.push_back("the acknowledged create of " + id.str() + " is lost");
    }
    if (entry.delete_acknowledged && is_there && durable->phase != Phase::deleting) {
      problems.push_back("the acknowledged delete of " + id.str() + " is lost");
    }
  }
  return problems;
}

Problems check_reload(const View& view) {
  if (!view.is_up || !view.is_idle) return {};
  Problems problems;
  if (view.durable.revision > view.revision) problems.emplace_back("the store is ahead of memory");
  if (view.sandboxes != view.durable.sandboxes) problems.emplace_back("memory and store differ in their sandboxes");
  const auto same = [](const model::Node& a, const model::Node& b) { return stored_part(a) == stored_part(b); };
  if (!std::equal(view.nodes.begin(), view.nodes.end(), view.durable.nodes.begin(), view.durable.nodes.end(), same)) {
    problems.emplace_back("memory and store differ in their nodes");
  }
  return problems;
}

Problems check_refusals(const View& view) {
  if (!view.is_up || !view.is_idle) return {};
  Problems problems;
  for (const auto& [id, lines] : view.refusals) {
    if (!lines.empty() && lines.size() != std::max<std::size_t>(view.nodes.size(), 1)) {
      problems.push_back("sandbox " + id.str() + " has " + std::to_string(lines.size()) + " reasons for " +
                         std::to_string(view.nodes.size()) + " nodes");
    }
  }
  for (const model::Sandbox& sandbox : view.sandboxes) {
    const bool was_refused = sandbox.phase == Phase::failed && sandbox.node.empty();
    if (was_refused && sandbox.reasons.empty()) problems.push_back(name_of(sandbox) + " was refused without a reason");
    if (sandbox.phase == Phase::failed && sandbox.last_error.empty()) {
      problems.push_back(name_of(sandbox) + " failed without an error");
    }
  }
  return problems;
}

// The engine's own sums and lists against sums made here from its records.
Problems check_indexes(const View& view) {
  if (!view.is_up) return {};
  Problems problems;
  std::map<NodeId, NodeIndex> expected;
  std::size_t waiting = 0;
  for (const model::Sandbox& sandbox : view.sandboxes) {
    if (sandbox.phase == Phase::pending) ++waiting;
    if (sandbox.node.empty()) continue;
    NodeIndex& node = expected[sandbox.node];
    node.free_ports += static_cast<std::int64_t>(sandbox.ports.size());  // not free, that is
    if (!model::holds_resources(sandbox)) continue;
    node.reserved_cpu_milli += model::total_request_cpu_milli(sandbox.spec);
    node.reserved_memory_bytes += model::total_request_memory_bytes(sandbox.spec);
  }
  for (const auto& [id, index] : view.indexes) {
    const NodeIndex& right = expected[id];
    const std::int64_t free = static_cast<std::int64_t>(view.host_ports) - right.free_ports;
    if (index.reserved_cpu_milli != right.reserved_cpu_milli ||
        index.reserved_memory_bytes != right.reserved_memory_bytes) {
      problems.push_back("the reservations on node " + id.str() + " are not those of its sandboxes");
    }
    // Ports that were released a moment ago are not free yet.
    if (index.free_ports > free || (view.is_settled && index.free_ports != free)) {
      problems.push_back("node " + id.str() + " has " + std::to_string(index.free_ports) + " free ports, not " +
                         std::to_string(free));
    }
  }
  if (view.queued != waiting) {
    problems.push_back(std::to_string(view.queued) + " sandboxes are in the queue, but " + std::to_string(waiting) +
                       " wait");
  }
  return problems;
}

Problems check_settled(const View& view) {
  if (!view.is_settled) return {};
  Problems problems;
  if (!view.is_up) problems.emplace_back("no control plane serves");
  for (const model::Node& node : view.nodes) {
    if (node.state != model::NodeState::ready) problems.push_back("node " + node.id.str() + " is not ready");
    const auto present = view.boot_ids.find(node.id);
    if (present != view.boot_ids.end() && present->second != node.boot_id) {
      problems.push_back("node " + node.id.str() + " lives as " + present->second + ", but is believed to be " +
                         node.boot_id);
    }
  }
  for (const model::Sandbox& sandbox : view.sandboxes) {
    const bool at_rest = sandbox.phase == Phase::running || sandbox.phase == Phase::failed ||
                         sandbox.phase == Phase::stopped || sandbox.phase == Phase::paused;
    if (!at_rest) problems.push_back(name_of(sandbox) + " is still " + std::string(model::to_string(sandbox.phase)));
  }
  return problems;
}

Problems check_agreement(const View& view) {
  if (!view.is_settled) return {};
  Problems problems;
  std::set<std::tuple<NodeId, SandboxId, std::string>> believed;
  for (const model::Sandbox& sandbox : view.sandboxes) {
    if (sandbox.phase == Phase::running) believed.emplace(sandbox.node, sandbox.id, sandbox.uid);
  }
  const ById all = by_id(view.sandboxes);
  for (const auto& [node, machine] : view.machines) {
    for (const model::NodeSandbox& found : machine) {
      const model::Sandbox* known = find(all, found.id);
      if (known == nullptr || known->uid != found.uid || known->node != node) {
        problems.push_back("node " + node.str() + " has " + found.id.str() + ", which nobody knows");
        continue;
      }
      if (found.phase != known->phase) {
        problems.push_back("node " + node.str() + " has " + found.id.str() + " " +
                           std::string(model::to_string(found.phase)) + ", believed " +
                           std::string(model::to_string(known->phase)));
      }
      if (found.phase == Phase::running && found.ports != known->ports) {
        problems.push_back("node " + node.str() + " has other ports for " + found.id.str() + " than believed");
      }
      believed.erase({node, found.id, found.uid});
    }
  }
  for (const auto& [node, id, uid] : believed) {
    problems.push_back("node " + node.str() + " does not have " + id.str() + ", believed running");
  }
  return problems;
}

Problems check_all(const View& view) {
  Problems all;
  for (const auto check : {check_capacity, check_ports, check_lives, check_ledger, check_reload, check_refusals,
                           check_networks, check_indexes, check_settled, check_agreement, check_machines}) {
    for (std::string& problem : check(view)) all.push_back(std::move(problem));
  }
  return all;
}

}  // namespace sandboxd::world
