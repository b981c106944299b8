// Invariants of a cluster, over a copy of everything that exists. Each is a plain function, so that tests can hand it a
// view with a planted fault and see that it speaks up. Looked at every now and then: what must hold at every change is
// in live_checker.hpp.
#pragma once

#include "ports/store.hpp"
#include "world/cluster.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::world {

// One machine, apart from its records.
struct MachineView {
  bool is_up = false;                        // its agent runs
  std::vector<model::NodeSandbox> believed;  // by the agent
  std::map<std::string, bool> containers;    // key: does it run
  sim::MemoryNetworkMachine network;         // slots and ports
  std::set<SandboxId> outputs;               // whose logs are kept
  std::size_t pool_size = 0;                 // free slots that are as they should be
};

// What the control plane's indexes say of one node.
struct NodeIndex {
  std::int64_t reserved_cpu_milli = 0;
  std::int64_t reserved_memory_bytes = 0;
  std::int64_t free_ports = 0;
};

struct View {
  bool is_up = false;                     // a control plane serves
  bool is_idle = false;                   // and has nothing in hand: its memory is what it stored
  bool is_settled = false;                // faults ended long enough ago
  std::vector<model::Sandbox> sandboxes;  // in the control plane's memory
  std::vector<model::Node> nodes;
  std::int64_t revision = 0;
  ports::StoreContents durable;
  std::map<NodeId, std::vector<model::NodeSandbox>> machines;  // what nodes really have: the records on their disks
  std::map<NodeId, MachineView> hardware;
  std::map<NodeId, MachineOptions> capacities;
  std::map<NodeId, std::string> boot_ids;                  // of the agents that run now
  std::map<SandboxId, std::vector<std::string>> refusals;  // of some pending ones: a line a node
  std::map<NodeId, NodeIndex> indexes;
  std::size_t queued = 0;      // in the queue of those who wait
  std::size_t host_ports = 0;  // that a node may give out
  Ledger ledger;
};

using Problems = std::vector<std::string>;

// At every moment.
[[nodiscard]] Problems check_capacity(const View& view);  // no node is promised more than it has
[[nodiscard]] Problems check_ports(const View& view);     // a host port has one owner on its node
[[nodiscard]] Problems check_lives(const View& view);     // no life runs twice, no id runs in two lives
[[nodiscard]] Problems check_ledger(const View& view);    // what was acknowledged is there, or gone as asked
[[nodiscard]] Problems check_reload(const View& view);    // the store says what memory says
[[nodiscard]] Problems check_refusals(const View& view);  // who waits knows why, for every node
[[nodiscard]] Problems check_networks(const View& view);  // no port or rule without its slot, no address twice
[[nodiscard]] Problems check_indexes(const View& view);   // what is derived says what it is derived from
// When settled.
[[nodiscard]] Problems check_settled(const View& view);    // nothing is under way any more
[[nodiscard]] Problems check_agreement(const View& view);  // nodes have exactly what the control plane believes
[[nodiscard]] Problems check_machines(const View& view);   // containers, slots and ports are those of the records

[[nodiscard]] Problems check_all(const View& view);

// The view of a cluster now. `refusals_max`: how many of those who wait are asked why; each costs a look at every node.
[[nodiscard]] View look(Cluster& cluster, bool is_settled, std::size_t refusals_max);

}  // namespace sandboxd::world
