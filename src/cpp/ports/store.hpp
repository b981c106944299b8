// The control plane's durable truth. Real: store/sqlite_store (later etcd). Simulated: sim/sim_store.
//
// The engine owns the truth in memory and writes every change here before anybody hears of it. One writer: calls are
// made one after another, never overlapping. Nothing above this port assumes SQLite.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/kept_answer.hpp"
#include "model/node.hpp"
#include "model/sandbox.hpp"
#include "ports/damaged_record.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sandboxd::ports {

// A version that never changes again: the store reads it on its own thread, while others do on theirs. Versions of one
// id and uid, which is one life, differ in what happens to it, not in what was asked for: spec, dialect, created_at.
struct PutSandbox {
  explicit PutSandbox(std::shared_ptr<const model::Sandbox> version) : sandbox(std::move(version)) {}
  explicit PutSandbox(model::Sandbox version) : sandbox(std::make_shared<const model::Sandbox>(std::move(version))) {}

  std::shared_ptr<const model::Sandbox> sandbox;
};
struct EraseSandbox {
  SandboxId id;
};
struct PutNode {
  model::Node node;
};
struct EraseNode {
  NodeId id;
};
struct PutAnswer {
  model::KeptAnswer answer;
};
struct EraseAnswer {
  std::string owner;
  std::string key;
};

using StoreChange = std::variant<PutSandbox, EraseSandbox, PutNode, EraseNode, PutAnswer, EraseAnswer>;

// Applied as a whole or not at all. `revision` is the last one handed out and never decreases, over restarts too.
struct StoreTransaction {
  std::vector<StoreChange> changes;
  std::int64_t revision = 0;
  // Not empty: becomes StoreContents::instance with this transaction. The engine sets it in its first one.
  std::string instance;
};

struct StoreContents {
  std::vector<model::Sandbox> sandboxes;   // by id
  std::vector<model::Node> nodes;          // by id
  std::vector<model::KeptAnswer> answers;  // by owner, then key
  std::int64_t revision = 0;
  // Kept aside by this load or an earlier one, until the record of that id is erased.
  std::vector<DamagedRecord> damaged;
  std::string instance;  // marks the uids that this database's control plane handed out; empty: never set
};

class Store {
 public:
  virtual ~Store() = default;
  // Everything that was ever applied and not erased. A record that cannot be read is kept aside, with a stand-in in its
  // place (ports/damaged_record.hpp). Errors: storage_failed.
  [[nodiscard]] virtual Task<Result<StoreContents>> load() = 0;
  // Durable when it returns success: survives kill -9 and power loss. On an error nothing of it was applied.
  // Errors: storage_failed (disk full, I/O), already_exists (two sandboxes of one owner would have the same name).
  // That another process owns the store is found when it is opened: conflict.
  [[nodiscard]] virtual Task<Result<void>> apply(StoreTransaction transaction) = 0;
};

}  // namespace sandboxd::ports
