#include "store/sqlite_node_store.hpp"

#include "base/limits.hpp"
#include "codec/record.hpp"
#include "store/migrations.hpp"
#include "store/quarantine.hpp"
#include "store/statement.hpp"

#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace sandboxd::store {
namespace {

namespace record = codec::record;

struct Forget {
  WallTime before;
};

constexpr std::string_view kPut = R"sql(
INSERT INTO sandboxes (id, uid, phase, slot, updated_at_ns, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (id) DO UPDATE SET uid = ?2, phase = ?3, slot = ?4, updated_at_ns = ?5, record = ?6
)sql";

constexpr std::string_view kBury = R"sql(
INSERT INTO tombstones (id, uid, deleted_at_ns) VALUES (?1, ?2, ?3)
ON CONFLICT (id, uid) DO UPDATE SET deleted_at_ns = max(deleted_at_ns, ?3)
)sql";

// What is left of a sandbox whose record is damaged: its id, its life, its network slot. A deletion goes on; all else
// has failed, since what the sandbox should be is not known.
model::NodeSandbox stand_in(const Row& row, const std::string& damage) {
  model::NodeSandbox out;
  out.id = SandboxId(row.text(0));
  out.uid = row.text(2);
  out.slot = row.text(3);
  out.created_at = out.updated_at = row.time(4);
  out.phase = row.text(5) == to_string(model::Phase::deleting) ? model::Phase::deleting : model::Phase::failed;
  out.error = "the node's record is damaged and was kept aside (" + damage +
              "); what is there of this sandbox is left alone until it is deleted";
  return out;
}

}  // namespace

struct SqliteNodeStore::Operation {
  std::variant<model::NodeSandbox, ports::Tombstone, Forget> what;
  std::optional<Result<void>> outcome;  // set and read on the pool's thread
};

struct SqliteNodeStore::Connection {
  explicit Connection(Database opened) : database(std::move(opened)), quarantine(database) {}

  // After construction, when the database has its final place.
  Result<void> prepare() {
    SBX_CHECK(quarantine.prepare());
    SBX_CHECK(prepare_one(put, kPut));
    SBX_CHECK(prepare_one(erase, "DELETE FROM sandboxes WHERE id = ?1"));
    SBX_CHECK(prepare_one(bury, kBury));
    return prepare_one(forget, "DELETE FROM tombstones WHERE deleted_at_ns < ?1");
  }

  void enqueue(std::shared_ptr<Operation> operation) {
    const std::lock_guard hold(mutex);
    queue.push_back(std::move(operation));
  }

  // Commits everything that is queued now, in the order of the calls.
  void drain() {
    std::vector<std::shared_ptr<Operation>> batch;
    {
      const std::lock_guard hold(mutex);
      batch.swap(queue);
    }
    if (batch.empty()) return;
    const Result<void> together = commit(batch);
    if (together || batch.size() == 1) {
      for (const auto& operation : batch) operation->outcome = together;
      return;
    }
    // One operation may be to blame (a record too large for what is left of the disk): each gets its own chance.
    for (const auto& operation : batch) operation->outcome = commit({operation});
  }

  Result<void> commit(const std::vector<std::shared_ptr<Operation>>& batch) {
    auto done = database.transaction([&]() -> Result<void> {
      for (const auto& operation : batch) {
        SBX_CHECK(std::visit([&](const auto& one) { return apply(one); }, operation->what));
      }
      return {};
    });
    if (done) ++commits;
    return done;
  }

  Result<void> apply(const model::NodeSandbox& s) {
    return put->run([&](Binder& bind) {
      bind.bind(s.id.str()).bind(s.uid).bind(to_string(s.phase)).bind(s.slot).bind(s.updated_at);
      bind.bind(record::encode_node_sandbox(s));
    });
  }
  Result<void> apply(const ports::Tombstone& tombstone) {
    SBX_CHECK(quarantine.forget("sandboxes", tombstone.id.str()));
    SBX_CHECK(erase->run([&](Binder& bind) { bind.bind(tombstone.id.str()); }));
    if (tombstone.uid.empty()) return {};
    return bury->run(
        [&](Binder& bind) { bind.bind(tombstone.id.str()).bind(tombstone.uid).bind(tombstone.deleted_at); });
  }
  Result<void> apply(const Forget& what) {
    return forget->run([&](Binder& bind) { bind.bind(what.before); });
  }

  Result<ports::NodeStoreContents> load() {
    ports::NodeStoreContents out;
    std::vector<ports::DamagedRecord> damaged;
    std::vector<model::NodeSandbox> stand_ins;
    SBX_TRY(sandboxes,
            database.prepare("SELECT id, record, uid, slot, updated_at_ns, phase FROM sandboxes ORDER BY id"));
    SBX_CHECK(sandboxes.each({}, [&](const Row& row) -> Result<void> {
      auto sandbox = record::decode_node_sandbox(row.text(0), row.text(1));
      if (!sandbox) {
        damaged.push_back({"sandboxes", row.text(0), sandbox.error().message()});
        if (!model::is_valid_name(row.text(0), limits::kSandboxIdLengthMax)) return {};
        stand_ins.push_back(stand_in(row, sandbox.error().message()));
        sandbox = stand_ins.back();
      }
      out.sandboxes.push_back(*std::move(sandbox));
      return {};
    }));
    SBX_CHECK(set_aside(damaged, stand_ins));
    SBX_TRY(tombstones, database.prepare("SELECT id, uid, deleted_at_ns FROM tombstones ORDER BY id, uid"));
    SBX_CHECK(tombstones.each({}, [&](const Row& row) -> Result<void> {
      out.tombstones.push_back({SandboxId(row.text(0)), row.text(1), row.time(2)});
      return {};
    }));
    SBX_TRY(kept, quarantine.load());
    out.damaged = std::move(kept);
    return out;
  }

  // In one transaction: the rows as they are into the quarantine, stand-ins in their place.
  Result<void> set_aside(const std::vector<ports::DamagedRecord>& damaged,
                         const std::vector<model::NodeSandbox>& stand_ins) {
    if (damaged.empty()) return {};
    SBX_CHECK(database.transaction([&]() -> Result<void> {
      for (const ports::DamagedRecord& record : damaged) SBX_CHECK(quarantine.move(record));
      for (const model::NodeSandbox& sandbox : stand_ins) SBX_CHECK(apply(sandbox));
      return {};
    }));
    log_damage(database.path(), damaged);
    return {};
  }

  Result<void> prepare_one(std::optional<Statement>& into, std::string_view sql) {
    SBX_TRY(statement, database.prepare(sql));
    into.emplace(std::move(statement));
    return {};
  }

  Database database;
  Quarantine quarantine;
  std::optional<Statement> put;
  std::optional<Statement> erase;
  std::optional<Statement> bury;
  std::optional<Statement> forget;
  std::atomic<std::uint64_t> commits = 0;

  std::mutex mutex;  // never held while the database works
  std::vector<std::shared_ptr<Operation>> queue;
};

SqliteNodeStore::SqliteNodeStore(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

SqliteNodeStore::~SqliteNodeStore() { pool_.stop(); }

Result<std::unique_ptr<SqliteNodeStore>> SqliteNodeStore::open(Database::Options options) {
  SBX_TRY(database, open_database(std::move(options), node_schema()));
  auto connection = std::make_unique<Connection>(std::move(database));
  SBX_CHECK(connection->prepare());
  return std::unique_ptr<SqliteNodeStore>(new SqliteNodeStore(std::move(connection)));
}

Task<Result<ports::NodeStoreContents>> SqliteNodeStore::load() {
  Connection* connection = connection_.get();
  auto contents = co_await pool_.run([connection] { return connection->load(); });
  co_return contents;
}

Task<Result<void>> SqliteNodeStore::put(model::NodeSandbox sandbox) {
  auto operation = std::make_shared<Operation>();
  operation->what = std::move(sandbox);
  return submit(std::move(operation));
}

Task<Result<void>> SqliteNodeStore::erase(ports::Tombstone tombstone) {
  auto operation = std::make_shared<Operation>();
  operation->what = std::move(tombstone);
  return submit(std::move(operation));
}

Task<Result<void>> SqliteNodeStore::forget_tombstones(WallTime before) {
  auto operation = std::make_shared<Operation>();
  operation->what = Forget{before};
  return submit(std::move(operation));
}

Task<Result<void>> SqliteNodeStore::submit(std::shared_ptr<Operation> operation) {
  Connection* connection = connection_.get();
  connection->enqueue(operation);
  // Nothing suspends between the two, so what is queued is also awaited: a cancelled caller either never came here, or
  // waits for the pool like the others.
  auto outcome = co_await pool_.run([connection, operation] {
    if (!operation->outcome) connection->drain();
    return *operation->outcome;
  });
  co_return outcome;
}

std::uint64_t SqliteNodeStore::commits() const { return connection_->commits; }

}  // namespace sandboxd::store
