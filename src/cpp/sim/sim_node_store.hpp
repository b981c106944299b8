// The node's store on a simulated disk (ports/node_store.hpp). Deterministic, one thread; calls may overlap.
#pragma once

#include "base/result.hpp"
#include "ports/clock.hpp"
#include "ports/node_store.hpp"
#include "sim/sim_disk.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace sandboxd::sim {

struct NodeStoreState {
  std::map<SandboxId, model::NodeSandbox> sandboxes;
  std::map<std::pair<SandboxId, std::string>, WallTime> tombstones;  // by id and uid
};
using NodeStoreDisk = SimDisk<NodeStoreState>;

class SimNodeStore final : public ports::NodeStore {
 public:
  // Errors: conflict when a store is open on the disk already.
  [[nodiscard]] static Result<std::unique_ptr<SimNodeStore>> open(std::shared_ptr<NodeStoreDisk> disk,
                                                                  ports::Clock& clock);
  ~SimNodeStore() override;

  [[nodiscard]] Task<Result<ports::NodeStoreContents>> load() override;
  [[nodiscard]] Task<Result<void>> put(model::NodeSandbox sandbox) override;
  [[nodiscard]] Task<Result<void>> erase(ports::Tombstone tombstone) override;
  [[nodiscard]] Task<Result<void>> forget_tombstones(WallTime before) override;

 private:
  SimNodeStore(std::shared_ptr<NodeStoreDisk> disk, ports::Clock& clock, std::uint64_t epoch);

  std::shared_ptr<NodeStoreDisk> disk_;
  ports::Clock& clock_;
  std::uint64_t epoch_;
};

}  // namespace sandboxd::sim
