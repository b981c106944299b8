// Everything that exists in a simulated cluster, for the parts that act on it. One thread.
#pragma once

#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "orch/engine.hpp"
#include "orch/service.hpp"
#include "sim/sim_clock.hpp"
#include "sim/sim_store.hpp"
#include "sim/sim_transport.hpp"
#include "world/machine.hpp"
#include "world/trace.hpp"
#include "world/world.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sandboxd::world {

// What a client knows for sure about an id. The newest life only.
struct LedgerEntry {
  std::string uid;           // of the acknowledged create
  bool may_expire = false;   // it has a time to live
  bool delete_sent = false;  // from here on it may go at any moment
  bool delete_acknowledged = false;
};
using Ledger = std::map<SandboxId, LedgerEntry>;

// One life of the control plane's process.
struct ControlPlane {
  std::unique_ptr<sim::SimStore> store;
  std::unique_ptr<orch::Engine> engine;
  std::unique_ptr<orch::SandboxService> service;
  bool serving = false;
  bool dead = false;  // what it still says, nobody hears
};

struct SimulatedNode {
  NodeId id;
  model::NodeAddress address;
  model::Labels labels;
  std::shared_ptr<Machine> machine;
};

class Cluster {
 public:
  Cluster(std::uint64_t seed, const WorldOptions& options);

  std::uint64_t seed;
  boost::asio::io_context context{1};
  sim::SimClock clock;
  sim::SimTransport transport;
  std::shared_ptr<sim::StoreDisk> disk = std::make_shared<sim::StoreDisk>();
  orch::OrchConfig config;
  std::vector<SimulatedNode> nodes;
  std::shared_ptr<ControlPlane> plane;
  Ledger ledger;
  Trace trace;
  WorldStats stats;
  std::vector<std::string> violations;  // found on the way
  std::int64_t revision_heard = 0;      // by the watcher, over all lives
  bool quiet = false;                   // no new work, no new faults
  aio::TaskGroup tasks;                 // clients, faults, observers
  aio::TaskGroup deaths;                // control planes that are going

  void note(const std::string& line) { trace.add(clock.mono_now(), line); }
  void violate(const std::string& what);

  void start_control_plane();
  // Power loss keeps only what was synced; a killed process loses nothing that it had written.
  void crash_control_plane(bool power_loss);
  void start_node(SimulatedNode& node);
  void crash_node(SimulatedNode& node);

 private:
  [[nodiscard]] static Task<void> live(Cluster& cluster, std::shared_ptr<ControlPlane> plane);
  [[nodiscard]] static Task<void> die(Cluster& cluster, std::shared_ptr<ControlPlane> plane);
};

}  // namespace sandboxd::world
