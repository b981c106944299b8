#include "sim/sim_node_store.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::sim {

SimNodeStore::SimNodeStore(std::shared_ptr<NodeStoreDisk> disk, ports::Clock& clock, std::uint64_t epoch)
    : disk_(std::move(disk)), clock_(clock), epoch_(epoch) {}

SimNodeStore::~SimNodeStore() { disk_->close(epoch_); }

Result<std::unique_ptr<SimNodeStore>> SimNodeStore::open(std::shared_ptr<NodeStoreDisk> disk, ports::Clock& clock) {
  std::uint64_t epoch = 0;
  if (!disk->open(epoch)) {
    return Error(ErrorCode::conflict, "the simulated disk is in use by another store: close that one first");
  }
  return std::unique_ptr<SimNodeStore>(new SimNodeStore(std::move(disk), clock, epoch));
}

Task<Result<ports::NodeStoreContents>> SimNodeStore::load() {
  SBX_CO_CHECK(disk_->check(epoch_));
  const NodeStoreState& state = disk_->seen();
  ports::NodeStoreContents out;
  for (const auto& [id, sandbox] : state.sandboxes) out.sandboxes.push_back(sandbox);
  for (const auto& [life, deleted_at] : state.tombstones) {
    out.tombstones.push_back({life.first, life.second, deleted_at});
  }
  co_return out;
}

Task<Result<void>> SimNodeStore::put(model::NodeSandbox sandbox) {
  const auto disk = disk_;  // the call may outlive this object when a crash is simulated in its middle
  auto done = co_await NodeStoreDisk::commit(
      *disk, clock_, epoch_,
      [sandbox = std::move(sandbox)](NodeStoreState& state) { state.sandboxes[sandbox.id] = sandbox; });
  co_return done;
}

Task<Result<void>> SimNodeStore::erase(ports::Tombstone tombstone) {
  const auto disk = disk_;
  auto done =
      co_await NodeStoreDisk::commit(*disk, clock_, epoch_, [tombstone = std::move(tombstone)](NodeStoreState& state) {
        state.sandboxes.erase(tombstone.id);
        if (tombstone.uid.empty()) return;
        WallTime& deleted_at = state.tombstones[{tombstone.id, tombstone.uid}];
        deleted_at = std::max(deleted_at, tombstone.deleted_at);
      });
  co_return done;
}

Task<Result<void>> SimNodeStore::forget_tombstones(WallTime before) {
  const auto disk = disk_;
  auto done = co_await NodeStoreDisk::commit(*disk, clock_, epoch_, [before](NodeStoreState& state) {
    std::erase_if(state.tombstones, [&](const auto& entry) { return entry.second < before; });
  });
  co_return done;
}

}  // namespace sandboxd::sim
