// The node's durable record of its sandboxes. Real: store/sqlite_node_store. Simulated: sim/sim_node_store.
//
// A record is written before the step that it describes, so that after a crash every trace on the machine belongs to a
// record, to a free network slot, or is an orphan.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "model/node_sandbox.hpp"
#include "ports/damaged_record.hpp"

#include <string>
#include <vector>

namespace sandboxd::ports {

// A life of a sandbox that was deleted: a late create with the same uid must not bring it back.
struct Tombstone {
  SandboxId id;
  std::string uid;
  WallTime deleted_at;
};

struct NodeStoreContents {
  std::vector<model::NodeSandbox> sandboxes;  // by id
  std::vector<Tombstone> tombstones;
  // Kept aside by this load or an earlier one, until the record of that id is erased.
  std::vector<DamagedRecord> damaged;
};

class NodeStore {
 public:
  virtual ~NodeStore() = default;
  // A record that cannot be read is kept aside, with a stand-in in its place (ports/damaged_record.hpp).
  [[nodiscard]] virtual Task<Result<NodeStoreContents>> load() = 0;
  // Durable on success. Concurrent calls are allowed and are committed together. Errors: storage_failed.
  [[nodiscard]] virtual Task<Result<void>> put(model::NodeSandbox sandbox) = 0;
  // Erases the record and leaves the tombstone (none when its uid is empty), in one transaction. Idempotent.
  [[nodiscard]] virtual Task<Result<void>> erase(Tombstone tombstone) = 0;
  // Forgets tombstones older than `before`.
  [[nodiscard]] virtual Task<Result<void>> forget_tombstones(WallTime before) = 0;
};

}  // namespace sandboxd::ports
