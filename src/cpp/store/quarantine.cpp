#include "store/quarantine.hpp"

#include "base/log.hpp"

#include <cstddef>

namespace sandboxd::store {
namespace {

constexpr Log kLog("store");
constexpr std::size_t kLinesMax = 100;  // an older program on a newer one's records damages every row

// Seconds are precise enough for people, and older SQLite knows no fractions.
constexpr std::string_view kKeep = R"sql(
INSERT INTO quarantine (source, key, reason, row_sql, quarantined_at_ns)
VALUES (?1, ?2, ?3, ?4, CAST(strftime('%s', 'now') AS INTEGER) * 1000000000)
)sql";

std::string statement_for(const std::string& table, const Row& row) {
  std::string names;
  std::string values;
  for (int column = 0; column < row.size(); ++column) {
    names += (column == 0 ? "" : ", ") + row.name(column);
    values += (column == 0 ? "" : ", ") + row.literal(column);
  }
  return "REPLACE INTO " + table + " (" + names + ") VALUES (" + values + ")";
}

}  // namespace

Result<void> Quarantine::prepare() {
  SBX_TRY(keep, database_.prepare(kKeep));
  keep_.emplace(std::move(keep));
  SBX_TRY(forget, database_.prepare("DELETE FROM quarantine WHERE source = ?1 AND key = ?2"));
  forget_.emplace(std::move(forget));
  return {};
}

Result<void> Quarantine::move(const ports::DamagedRecord& record) {
  is_empty_ = false;
  SBX_TRY(select, database_.prepare("SELECT * FROM " + record.kind + " WHERE id = ?1"));
  SBX_CHECK(select.each([&](Binder& bind) { bind.bind(record.key); },
                        [&](const Row& row) {
                          const std::string text = statement_for(record.kind, row);
                          return keep_->run([&](Binder& bind) {
                            bind.bind(record.kind).bind(record.key).bind(record.reason).bind(text);
                          });
                        }));
  SBX_TRY(remove, database_.prepare("DELETE FROM " + record.kind + " WHERE id = ?1"));
  return remove.run([&](Binder& bind) { bind.bind(record.key); });
}

Result<void> Quarantine::forget(std::string_view kind, const std::string& key) {
  if (is_empty_) return {};
  return forget_->run([&](Binder& bind) { bind.bind(kind).bind(key); });
}

Result<std::vector<ports::DamagedRecord>> Quarantine::load() {
  std::vector<ports::DamagedRecord> out;
  SBX_TRY(select, database_.prepare("SELECT source, key, reason FROM quarantine ORDER BY id"));
  SBX_CHECK(select.each({}, [&](const Row& row) -> Result<void> {
    out.push_back({row.text(0), row.text(1), row.text(2)});
    return {};
  }));
  is_empty_ = out.empty();
  return out;
}

void log_damage(const std::string& path, const std::vector<ports::DamagedRecord>& damaged) {
  for (std::size_t i = 0; i < damaged.size() && i < kLinesMax; ++i) {
    const ports::DamagedRecord& record = damaged[i];
    kLog.error("damaged record kept aside in table quarantine: put it right there, or delete what stands in its place",
               {{"database", path}, {"table", record.kind}, {"id", record.key}, {"error", record.reason}});
  }
  if (damaged.size() <= kLinesMax) return;
  kLog.error("more damaged records were kept aside: was an older program started on a newer one's data?",
             {{"database", path}, {"records", damaged.size()}, {"named", kLinesMax}});
}

}  // namespace sandboxd::store
