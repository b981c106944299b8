// Invariants of a cluster, over a copy of everything that exists. Each is a plain function, so that tests can hand it a
// view with a planted fault and see that it speaks up.
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
  std::map<SandboxId, std::vector<std::string>> refusals;  // of pending ones: a line a node
  std::string instance;                                    // mark of our uids
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
// When settled.
[[nodiscard]] Problems check_settled(const View& view);    // nothing is under way any more
[[nodiscard]] Problems check_agreement(const View& view);  // nodes have exactly what the control plane believes
[[nodiscard]] Problems check_machines(const View& view);   // containers, slots and ports are those of the records

[[nodiscard]] Problems check_all(const View& view);

}  // namespace sandboxd::world
