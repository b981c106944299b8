// Everything that exists in a simulated cluster, for the parts that act on it. One thread.
#pragma once

#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "orch/engine.hpp"
#include "orch/service.hpp"
#include "sim/sim_clock.hpp"
#include "sim/sim_store.hpp"
#include "sim/sim_transport.hpp"
#include "world/ledger.hpp"
#include "world/live_checker.hpp"
#include "world/machine.hpp"
#include "world/model_node.hpp"
#include "world/trace.hpp"
#include "world/world.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sandboxd::world {

// Of a write to the control plane's disk, until it is synced.
inline constexpr Duration kStoreDelay = std::chrono::microseconds(400);

// One life of the control plane's process.
struct ControlPlane {
  std::unique_ptr<ports::Store> store;
  std::unique_ptr<orch::Engine> engine;
  std::unique_ptr<orch::SandboxService> service;
  bool serving = false;
  bool dead = false;  // what it still says, nobody hears
};

// Either a machine with the production agent, or a light stand-in for both.
struct SimulatedNode {
  NodeId id;
  model::NodeAddress address;
  model::Labels labels;
  MachineOptions capacity;
  std::shared_ptr<Machine> machine;
  std::shared_ptr<ModelNode> light;

  [[nodiscard]] bool is_up() const { return machine ? machine->is_up() : light->is_up(); }
  // What it really has: the records on its disk.
  [[nodiscard]] std::vector<model::NodeSandbox> records() const;
};

class Cluster {
 public:
  Cluster(std::uint64_t seed, WorldOptions options);

  std::uint64_t seed;
  WorldOptions options;
  boost::asio::io_context context{1};
  sim::SimClock clock;
  MonoTime began;
  sim::SimTransport transport;
  std::unique_ptr<ports::NodeTransport> wrapped;  // around `transport`, when the options ask for it
  std::shared_ptr<sim::StoreDisk> disk = std::make_shared<sim::StoreDisk>();
  orch::OrchConfig config;
  std::vector<SimulatedNode> nodes;
  std::shared_ptr<ControlPlane> plane;
  Ledger ledger;
  Trace trace;
  WorldStats stats;
  Weather climate;                      // when nothing special happens
  std::vector<PlannedFault> struck;     // all so far
  std::vector<std::string> violations;  // found on the way
  LiveChecker live;
  bool quiet = false;     // no new work, no new faults
  aio::TaskGroup tasks;   // clients, faults, observers
  aio::TaskGroup deaths;  // control planes that are going

  void note(const std::string& line) { trace.add(clock.mono_now(), line); }
  void violate(const std::string& what);
  [[nodiscard]] SimulatedNode& node_at(std::int64_t number);  // modulo their number
  void set_weather(const Weather& weather);

  void start_control_plane();
  // The first `kept` of the writes that were not synced survive.
  void crash_control_plane(std::size_t kept);
  void start_node(SimulatedNode& node);
  void crash_node(SimulatedNode& node);

 private:
  void add_node(std::uint64_t number, Random& random);
  [[nodiscard]] std::shared_ptr<Machine> make_machine(const SimulatedNode& node, std::uint64_t number);
  [[nodiscard]] static Task<void> live_on(Cluster& cluster, std::shared_ptr<ControlPlane> plane);
  [[nodiscard]] static Task<void> die(Cluster& cluster, std::shared_ptr<ControlPlane> plane);
};

}  // namespace sandboxd::world
