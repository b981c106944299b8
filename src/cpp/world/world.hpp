// A simulated cluster: the production control plane, simulated nodes, clients and faults, from one seed.
//
// Deterministic: the same seed and options give the same run on every machine. Single-threaded; it blocks while it runs
// and takes no real time beyond the computing. One World at a time per process may run (it watches the log).
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"
#include "ports/node_transport.hpp"
#include "ports/store.hpp"
#include "world/fault_plan.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::world {

struct View;

// What clients ask for.
struct Workload {
  int clients = 0;                                      // 0: 1 to 6, drawn from the seed
  int live_max = 30;                                    // sandboxes of one client
  Duration pause_min = std::chrono::milliseconds(5);    // between two calls of one client
  Duration pause_max = std::chrono::milliseconds(305);  // at least pause_min
  int cpu_milli_max = 1000;                             // of a container, in steps of 100
  int memory_mib_max = 512;                             // in steps of 64
  int ports_max = 3;
  int ttl_permille = 100;       // how many expire by themselves
  int selector_permille = 200;  // how many insist on a zone
  int pair_permille = 150;      // how many have two containers
  int cordon_permille = 300;    // of the calls that cordon a node or lift that
  int ending_permille = 170;    // of all containers: those that end by themselves or cannot start
  int life_permille = 150;      // of what is not a create: pauses, stops, starts and so on
  int restart_permille = 150;   // of all sandboxes: those that are started again, always or after a failure

  friend bool operator==(const Workload&, const Workload&) = default;
};

struct WorldOptions {
  int nodes = 0;             // 0: 1 to 8, drawn from the seed
  bool light_nodes = false;  // stand-ins for the production agents: for thousands of nodes
  bool images_ready =
      false;           // production agents have the workload's image, instead of pulling it when it is first used
  std::string policy;  // of the scheduler, as the setting scheduler_policy takes it; empty: the default
  bool faults = true;  // false: nothing breaks by itself; inject() still works
  bool workload = true;
  Workload load;
  std::optional<FaultPlan> plan;  // instead of the faults that would be drawn
  // What the control plane gets in place of its store and its transport; for tests that corrupt a run. The transport
  // lives as long as the world.
  std::function<std::unique_ptr<ports::Store>(std::unique_ptr<ports::Store>)> wrap_store;
  std::function<std::unique_ptr<ports::NodeTransport>(ports::NodeTransport&)> wrap_transport;
};

struct WorldStats {
  std::uint64_t events = 0;  // wake-ups of the simulated clock
  std::uint64_t faults = 0;  // that struck, planned or not
  std::uint64_t messages_spoiled = 0;
  std::uint64_t creates_acknowledged = 0;
  std::uint64_t deletes_acknowledged = 0;
  std::uint64_t control_plane_lives = 0;
  std::uint64_t turns = 0;      // of the present life's engine
  std::uint64_t sandboxes = 0;  // known to the control plane now
  std::uint64_t running = 0;
  std::uint64_t waiting = 0;   // for a place, now
  std::uint64_t failed = 0;    // now
  std::uint64_t given_up = 0;  // ever: found no place in time
  std::uint64_t placements = 0;
  Duration running_p50{};  // from accepted to Running
  Duration running_p95{};
  Duration running_max{};
  // Of the nodes' CPU that is promised now, in tenths of a per cent: their mean and standard deviation.
  std::int64_t cpu_permille = 0;
  std::int64_t cpu_spread_permille = 0;
  std::int64_t cpu_free_max_milli = 0;                  // the largest piece that one node has left
  std::map<std::string, std::uint64_t> faults_by_kind;  // spoiled messages too
};

class World {
 public:
  explicit World(std::uint64_t seed, WorldOptions options = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Moves time on and checks the invariants all along.
  void run_for(Duration duration);
  // Up to the next thing that happens; false when nothing is left to happen.
  bool step();
  // Now: a name in faults.hpp and, to test the checkers, "plant_lost_sandbox", "plant_orphan", "plant_leaked_slot",
  // "plant_lying_disk". Errors: invalid_argument for other names.
  [[nodiscard]] Result<void> inject(const std::string& name);
  // Heals everything, stops faults and new work, and gives the cluster time to come to rest.
  void settle();

  // Everything that was ever wrong, and, after settle(), whatever has not come to rest. Empty: all is well.
  [[nodiscard]] std::vector<std::string> check();
  [[nodiscard]] std::uint64_t trace_hash() const;
  [[nodiscard]] std::vector<std::string> trace_tail() const;  // the last lines, for a failure report
  [[nodiscard]] WorldStats stats() const;
  [[nodiscard]] std::uint64_t seed() const;
  [[nodiscard]] const WorldOptions& options() const;
  [[nodiscard]] WallTime now() const;
  [[nodiscard]] Duration elapsed() const;  // since it began
  [[nodiscard]] FaultPlan plan() const;    // all that struck or was injected so far
  [[nodiscard]] View view();               // checkers.hpp

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandboxd::world
