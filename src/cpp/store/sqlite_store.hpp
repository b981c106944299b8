// The control plane's store in one SQLite file (ports/store.hpp).
//
// Columns of table `sandboxes` are the aspects of the one sandbox model; what is a list or a tree (spec, containers,
// ports, reasons, labels) is JSON in a column of its own. Of a spec's aspects that also have a column (egress, labels,
// restart policy, template, ...) the spec is the truth; the columns repeat it for people and queries and are written by
// the same statement.
//
// The connection belongs to one thread of its own; coroutines resume where they were. Another process on the same file
// is refused by a lock on "<file>.lock".
#pragma once

#include "aio/blocking_pool.hpp"
#include "base/result.hpp"
#include "ports/store.hpp"
#include "store/db.hpp"

#include <memory>

namespace sandboxd::store {

class SqliteStore final : public ports::Store {
 public:
  // Opens or makes the database and brings its schema up to date. Blocks: call it while starting.
  // Errors: conflict (another process has it, named), unsupported (written by a newer program, or not a control
  // plane's database), storage_failed.
  [[nodiscard]] static Result<std::unique_ptr<SqliteStore>> open(Database::Options options);
  // Waits for the call in flight. No coroutine may still be inside.
  ~SqliteStore() override;

  [[nodiscard]] Task<Result<ports::StoreContents>> load() override;
  // Besides the port's errors: already_exists when two sandboxes of one owner would have the same name.
  [[nodiscard]] Task<Result<void>> apply(ports::StoreTransaction transaction) override;

 private:
  struct Connection;
  explicit SqliteStore(std::unique_ptr<Connection> connection);

  std::unique_ptr<Connection> connection_;  // used on the pool's thread only
  aio::BlockingPool pool_{1};
};

}  // namespace sandboxd::store
