// The node's store in one SQLite file (ports/node_store.hpp), with group commit.
//
// Calls may overlap. Each puts its operation in a queue and asks the database's thread to run; the first run takes all
// that is queued by then and commits it in one transaction with one sync, the later runs find their work done. So the
// number of syncs follows the disk and not the number of callers, and nobody waits for a timer.
#pragma once

#include "aio/blocking_pool.hpp"
#include "base/result.hpp"
#include "ports/node_store.hpp"
#include "store/db.hpp"

#include <cstdint>
#include <memory>

namespace sandboxd::store {

class SqliteNodeStore final : public ports::NodeStore {
 public:
  // As SqliteStore::open().
  [[nodiscard]] static Result<std::unique_ptr<SqliteNodeStore>> open(Database::Options options);
  // Waits for what is queued. No coroutine may still be inside.
  ~SqliteNodeStore() override;

  [[nodiscard]] Task<Result<ports::NodeStoreContents>> load() override;
  [[nodiscard]] Task<Result<void>> put(model::NodeSandbox sandbox) override;
  [[nodiscard]] Task<Result<void>> erase(ports::Tombstone tombstone) override;
  [[nodiscard]] Task<Result<void>> forget_tombstones(WallTime before) override;

  // Transactions committed since open(): what group commit saves is calls minus this. Any thread.
  [[nodiscard]] std::uint64_t commits() const;

 private:
  struct Operation;
  struct Connection;
  explicit SqliteNodeStore(std::unique_ptr<Connection> connection);
  [[nodiscard]] Task<Result<void>> submit(std::shared_ptr<Operation> operation);

  std::unique_ptr<Connection> connection_;
  aio::BlockingPool pool_{1};
};

}  // namespace sandboxd::store
