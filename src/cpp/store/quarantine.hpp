// Rows that could not be read, kept aside in table `quarantine` of the same database.
//
// A row is kept as the statement that puts it back as it was, bytes that are no text included. It leaves when the
// record of its id is erased, or by hand (docs/OPERATIONS.md). Every call but load() belongs inside a transaction.
#pragma once

#include "base/result.hpp"
#include "ports/damaged_record.hpp"
#include "store/db.hpp"
#include "store/statement.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::store {

class Quarantine {
 public:
  explicit Quarantine(Database& database) : database_(database) {}
  [[nodiscard]] Result<void> prepare();

  // Moves the row `record.key` (by its column `id`) of table `record.kind`.
  [[nodiscard]] Result<void> move(const ports::DamagedRecord& record);
  // The record is gone for good. Costs nothing while nothing is kept.
  [[nodiscard]] Result<void> forget(std::string_view kind, const std::string& key);
  [[nodiscard]] Result<std::vector<ports::DamagedRecord>> load();

 private:
  Database& database_;
  std::optional<Statement> keep_;
  std::optional<Statement> forget_;
  bool is_empty_ = false;  // until load() has looked, it is not known to be
};

// Names each in the log, with what happened and what to do.
void log_damage(const std::string& path, const std::vector<ports::DamagedRecord>& damaged);

}  // namespace sandboxd::store
