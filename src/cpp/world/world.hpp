// A simulated cluster: the production control plane, simulated nodes, clients and faults, from one seed.
//
// Deterministic: the same seed and options give the same run on every machine. Single-threaded; it blocks while it runs
// and takes no real time beyond the computing. One World at a time per process may run (it watches the log).
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sandboxd::world {

struct View;

struct WorldOptions {
  int nodes = 0;       // 0: 1 to 8, drawn from the seed
  int clients = 0;     // 0: 1 to 6, drawn from the seed
  bool faults = true;  // false: nothing breaks by itself; inject() still works
  bool workload = true;
};

struct WorldStats {
  std::uint64_t events = 0;  // wake-ups of the simulated clock
  std::uint64_t faults = 0;  // injected, planned or not
  std::uint64_t messages_spoiled = 0;
  std::uint64_t creates_acknowledged = 0;
  std::uint64_t deletes_acknowledged = 0;
  std::uint64_t control_plane_lives = 0;
  std::uint64_t sandboxes = 0;  // known to the control plane now
  std::uint64_t running = 0;
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
  // Now: "crash_control_plane", "crash_node", "cut_link", "break_streams", "disk_full", "disk_error",
  // "power_loss" and, to test the checkers, "plant_lost_sandbox", "plant_orphan", "plant_lying_disk". Errors:
  // invalid_argument for other names.
  [[nodiscard]] Result<void> inject(const std::string& name);
  // Heals everything, stops faults and new work, and gives the cluster time to come to rest.
  void settle();

  // Everything that was ever wrong, and, after settle(), whatever has not come to rest. Empty: all is well.
  [[nodiscard]] std::vector<std::string> check();
  [[nodiscard]] std::uint64_t trace_hash() const;
  [[nodiscard]] std::vector<std::string> trace_tail() const;  // the last lines, for a failure report
  [[nodiscard]] WorldStats stats() const;
  [[nodiscard]] std::uint64_t seed() const;
  [[nodiscard]] WallTime now() const;
  [[nodiscard]] View view();  // checkers.hpp

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandboxd::world
