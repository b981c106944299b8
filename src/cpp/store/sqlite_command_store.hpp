// The node's record of commands in one SQLite file of its own (ports/command_store.hpp): large and short-lived, beside
// the small and precious node.db. Commits are not synced (ADR 0014): the death of the process loses nothing.
#pragma once

#include "aio/blocking_pool.hpp"
#include "base/result.hpp"
#include "ports/command_store.hpp"
#include "store/db.hpp"

#include <memory>

namespace sandboxd::store {

class SqliteCommandStore final : public ports::CommandStore {
 public:
  // As SqliteStore::open(). `options.synchronous` is replaced.
  [[nodiscard]] static Result<std::unique_ptr<SqliteCommandStore>> open(Database::Options options,
                                                                        ports::CommandLimits limits = {});
  ~SqliteCommandStore() override;

  [[nodiscard]] Task<Result<std::vector<ports::StoredCommand>>> unfinished() override;
  [[nodiscard]] Task<Result<void>> add(ports::StoredCommand command) override;
  [[nodiscard]] Task<Result<void>> finish(model::Command command, model::CommandOutput output) override;
  [[nodiscard]] Task<Result<std::vector<model::Command>>> list(SandboxId sandbox) override;
  [[nodiscard]] Task<Result<ports::StoredCommand>> get(SandboxId sandbox, std::string id) override;
  [[nodiscard]] Task<Result<model::CommandOutput>> output(SandboxId sandbox, std::string id) override;
  [[nodiscard]] Task<Result<void>> erase(SandboxId sandbox, std::string id) override;
  [[nodiscard]] Task<Result<void>> erase_sandbox(SandboxId sandbox) override;
  [[nodiscard]] Task<Result<std::vector<SandboxId>>> sandboxes() override;

 private:
  struct Connection;
  explicit SqliteCommandStore(std::unique_ptr<Connection> connection);

  std::unique_ptr<Connection> connection_;
  aio::BlockingPool pool_{1};
};

}  // namespace sandboxd::store
