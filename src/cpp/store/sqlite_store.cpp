#include "store/sqlite_store.hpp"

#include "base/limits.hpp"
#include "codec/record.hpp"
#include "store/migrations.hpp"
#include "store/quarantine.hpp"
#include "store/read_rows.hpp"
#include "store/statement.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace sandboxd::store {
namespace {

namespace record = codec::record;

constexpr const char* kSandboxes = "sandboxes";  // tables, as DamagedRecord::kind names them
constexpr const char* kNodes = "nodes";
constexpr std::int64_t kLost = -1;

constexpr std::string_view kPutSandbox = R"sql(
INSERT INTO sandboxes (id, uid, name, owner, dialect, desired, phase, memory_kept, node, ip, external, last_error,
  request_cpu_milli, request_memory_bytes, on_expiry, egress_mode, restart_policy, template_id, runtime, created_at_ns,
  updated_at_ns, expires_at_ns, running_since_ns, revision, spec, containers, ports, reasons, labels,
  ended_at_ns)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
  ?25, ?26, ?27, ?28, ?29, ?30)
ON CONFLICT (id) DO UPDATE SET uid = ?2, name = ?3, owner = ?4, dialect = ?5, desired = ?6, phase = ?7,
  memory_kept = ?8, node = ?9, ip = ?10, external = ?11, last_error = ?12, request_cpu_milli = ?13,
  request_memory_bytes = ?14, on_expiry = ?15, egress_mode = ?16, restart_policy = ?17, template_id = ?18,
  runtime = ?19, created_at_ns = ?20, updated_at_ns = ?21, expires_at_ns = ?22, running_since_ns = ?23, revision = ?24,
  spec = ?25, containers = ?26, ports = ?27, reasons = ?28, labels = ?29, ended_at_ns = ?30
)sql";

// A later moment of a life that is stored already: what was asked for stays as it is, and so do its indexes.
constexpr std::string_view kMoveSandbox = R"sql(
UPDATE sandboxes SET desired = ?3, phase = ?4, memory_kept = ?5, node = ?6, ip = ?7, external = ?8, last_error = ?9,
  updated_at_ns = ?10, expires_at_ns = ?11, running_since_ns = ?12, revision = ?13, containers = ?14, ports = ?15,
  reasons = ?16, ended_at_ns = ?19
WHERE id = ?1 AND uid = ?2 AND name = ?17 AND owner = ?18
)sql";

constexpr std::string_view kPutNode = R"sql(
INSERT INTO nodes (id, ip, port, labels, unschedulable, state, source, last_error, boot_id, success_streak,
  failure_streak, resources, external, created_at_ns, updated_at_ns, last_heartbeat_ns, revision, external_id,
  external_created_at_ns, external_updated_at_ns, removing)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
ON CONFLICT (id) DO UPDATE SET ip = ?2, port = ?3, labels = ?4, unschedulable = ?5, state = ?6, source = ?7,
  last_error = ?8, boot_id = ?9, success_streak = ?10, failure_streak = ?11, resources = ?12, external = ?13,
  created_at_ns = ?14, updated_at_ns = ?15, last_heartbeat_ns = ?16, revision = ?17, external_id = ?18,
  external_created_at_ns = ?19, external_updated_at_ns = ?20, removing = ?21
)sql";

constexpr std::string_view kPutAnswer = R"sql(
INSERT INTO answers (owner, key, fingerprint, text, created_at_ns) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (owner, key) DO UPDATE SET fingerprint = ?3, text = ?4, created_at_ns = ?5
)sql";

constexpr std::string_view kLoadAnswers = R"sql(
SELECT owner, key, fingerprint, text, created_at_ns FROM answers ORDER BY owner, key
)sql";

constexpr std::string_view kPutRevision = R"sql(
INSERT INTO meta (key, value) VALUES ('revision', ?1) ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), ?1)
)sql";
constexpr std::string_view kPutInstance = R"sql(
INSERT INTO meta (key, value) VALUES ('instance', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1
)sql";

void bind_sandbox(Binder& bind, const model::Sandbox& s) {
  bind.bind(s.id.str()).bind(s.uid).bind(s.name).bind(s.owner).bind(s.dialect);
  bind.bind(to_string(s.desired)).bind(to_string(s.phase)).bind(s.memory_kept);
  bind.bind(s.node.str()).bind(s.ip).bind(s.external).bind(s.last_error);
  bind.bind(total_request_cpu_milli(s.spec)).bind(total_request_memory_bytes(s.spec));
  bind.bind(record::to_text(s.spec.on_expiry)).bind(record::to_text(s.spec.egress.mode));
  bind.bind(record::to_text(s.spec.restart_policy)).bind(s.spec.template_id).bind(s.spec.runtime);
  bind.bind(s.created_at).bind(s.updated_at).bind(s.expires_at).bind(s.running_since).bind(s.revision);
  bind.bind(record::encode_spec(s.spec)).bind(record::encode_containers(s.containers));
  bind.bind(record::encode_ports(s.ports)).bind(record::encode_texts(s.reasons));
  bind.bind(record::encode_labels(s.spec.labels)).bind(s.ended_at);
}

void bind_move(Binder& bind, const model::Sandbox& s) {
  bind.bind(s.id.str()).bind(s.uid).bind(to_string(s.desired)).bind(to_string(s.phase)).bind(s.memory_kept);
  bind.bind(s.node.str()).bind(s.ip).bind(s.external).bind(s.last_error);
  bind.bind(s.updated_at).bind(s.expires_at).bind(s.running_since).bind(s.revision);
  bind.bind(record::encode_containers(s.containers)).bind(record::encode_ports(s.ports));
  bind.bind(record::encode_texts(s.reasons)).bind(s.name).bind(s.owner).bind(s.ended_at);
}

// Most of these were stored before; for the others the move finds no row, and the whole record is written.
bool is_likely_known(const model::Sandbox& sandbox) {
  return sandbox.phase != model::Phase::pending && sandbox.phase != model::Phase::scheduled;
}

void bind_node(Binder& bind, const model::Node& n) {
  bind.bind(n.id.str()).bind(n.address.ip).bind(n.address.port).bind(record::encode_labels(n.labels));
  bind.bind(n.unschedulable).bind(to_string(n.state)).bind(n.source).bind(n.last_error).bind(n.boot_id);
  bind.bind(n.success_streak).bind(n.failure_streak).bind(record::encode_resources(n.resources)).bind(n.external);
  bind.bind(n.created_at).bind(n.updated_at).bind(n.last_heartbeat).bind(n.revision);
  bind.bind(n.external_id).bind(n.external_created_at).bind(n.external_updated_at).bind(n.removing);
}

// For a database that has lost its last number: none is handed out twice to what is still there.
std::int64_t newest_revision(const ports::StoreContents& contents) {
  std::int64_t newest = 0;
  for (const model::Sandbox& sandbox : contents.sandboxes) newest = std::max(newest, sandbox.revision);
  for (const model::Node& node : contents.nodes) newest = std::max(newest, node.revision);
  return newest;
}

// What a load found damaged, and what is to stand in its place.
struct Aside {
  // False: without an id that anybody could name, nothing can stand there.
  bool add(const model::Sandbox& stand_in, std::string damage) {
    records.push_back({kSandboxes, stand_in.id.str(), std::move(damage)});
    if (!model::is_valid_name(stand_in.id.str(), limits::kSandboxIdLengthMax)) return false;
    stand_ins.emplace_back(ports::PutSandbox(stand_in));
    return true;
  }
  bool add(const model::Node& stand_in, std::string damage) {
    records.push_back({kNodes, stand_in.id.str(), std::move(damage)});
    if (!model::is_valid_object_id(stand_in.id.str())) return false;
    stand_ins.emplace_back(ports::PutNode{stand_in});
    return true;
  }

  std::vector<ports::DamagedRecord> records;
  std::vector<ports::StoreChange> stand_ins;
};

}  // namespace

struct SqliteStore::Connection {
  explicit Connection(Database opened) : database(std::move(opened)), quarantine(database) {}

  // After construction, when the database has its final place.
  Result<void> prepare() {
    SBX_CHECK(quarantine.prepare());
    SBX_CHECK(prepare_one(put_sandbox, kPutSandbox));
    SBX_CHECK(prepare_one(move_sandbox, kMoveSandbox));
    SBX_CHECK(prepare_one(put_node, kPutNode));
    SBX_CHECK(prepare_one(erase_sandbox, "DELETE FROM sandboxes WHERE id = ?1"));
    SBX_CHECK(prepare_one(erase_node, "DELETE FROM nodes WHERE id = ?1"));
    SBX_CHECK(prepare_one(put_answer, kPutAnswer));
    SBX_CHECK(prepare_one(erase_answer, "DELETE FROM answers WHERE owner = ?1 AND key = ?2"));
    SBX_CHECK(prepare_one(put_instance, kPutInstance));
    return prepare_one(put_revision, kPutRevision);
  }

  Result<ports::StoreContents> load() {
    ports::StoreContents out;
    Aside aside;
    SBX_TRY(sandboxes, database.prepare(kLoadSandboxes));
    SBX_CHECK(sandboxes.each({}, [&](const Row& row) -> Result<void> {
      std::string damage;
      model::Sandbox sandbox = read_sandbox(row, damage);
      if (!damage.empty() && !aside.add(sandbox, std::move(damage))) return {};
      out.sandboxes.push_back(std::move(sandbox));
      return {};
    }));
    SBX_TRY(nodes, database.prepare(kLoadNodes));
    SBX_CHECK(nodes.each({}, [&](const Row& row) -> Result<void> {
      std::string damage;
      model::Node node = read_node(row, damage);
      if (!damage.empty() && !aside.add(node, std::move(damage))) return {};
      out.nodes.push_back(std::move(node));
      return {};
    }));
    SBX_CHECK(set_aside(aside));
    SBX_CHECK(load_rest(out));
    return out;
  }

  Result<void> load_rest(ports::StoreContents& out) {
    SBX_TRY(answers, database.prepare(kLoadAnswers));
    SBX_CHECK(answers.each({}, [&](const Row& row) -> Result<void> {
      out.answers.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.time(4)});
      return {};
    }));
    SBX_TRY(revision, database.query_integer(
                          "SELECT value FROM meta WHERE key = 'revision' AND typeof(value) = 'integer'", kLost));
    out.revision = revision == kLost ? newest_revision(out) : revision;
    SBX_TRY(instance, database.query_text("SELECT value FROM meta WHERE key = 'instance'"));
    out.instance = std::move(instance);
    SBX_TRY(damaged, quarantine.load());
    out.damaged = std::move(damaged);
    return {};
  }

  // In one transaction: the rows as they are into the quarantine, stand-ins in their place.
  Result<void> set_aside(const Aside& aside) {
    if (aside.records.empty()) return {};
    SBX_CHECK(database.transaction([&]() -> Result<void> {
      for (const ports::DamagedRecord& record : aside.records) SBX_CHECK(quarantine.move(record));
      for (const ports::StoreChange& change : aside.stand_ins) {
        SBX_CHECK(std::visit([&](const auto& one) { return apply_one(one); }, change));
      }
      return {};
    }));
    log_damage(database.path(), aside.records);
    return {};
  }

  Result<void> apply(const ports::StoreTransaction& transaction) {
    return database.transaction([&]() -> Result<void> {
      for (const ports::StoreChange& change : transaction.changes) {
        SBX_CHECK(std::visit([&](const auto& one) { return apply_one(one); }, change));
      }
      if (!transaction.instance.empty()) {
        SBX_CHECK(put_instance->run([&](Binder& bind) { bind.bind(transaction.instance); }));
      }
      return put_revision->run([&](Binder& bind) { bind.bind(transaction.revision); });
    });
  }

  Result<void> apply_one(const ports::PutSandbox& put) {
    if (is_likely_known(*put.sandbox)) {
      SBX_CHECK(move_sandbox->run([&](Binder& bind) { bind_move(bind, *put.sandbox); }));
      if (database.rows_changed() > 0) return {};
    }
    const auto done = put_sandbox->run([&](Binder& bind) { bind_sandbox(bind, *put.sandbox); });
    if (!done && done.error().code() == ErrorCode::already_exists) {
      return Error(ErrorCode::already_exists, "sandbox " + put.sandbox->id.str() + ": " + put.sandbox->owner +
                                                  " has another sandbox of the name \"" + put.sandbox->name + "\"");
    }
    return done;
  }
  Result<void> apply_one(const ports::EraseSandbox& erase) {
    SBX_CHECK(quarantine.forget(kSandboxes, erase.id.str()));
    return erase_sandbox->run([&](Binder& bind) { bind.bind(erase.id.str()); });
  }
  Result<void> apply_one(const ports::PutNode& put) {
    return put_node->run([&](Binder& bind) { bind_node(bind, put.node); });
  }
  Result<void> apply_one(const ports::EraseNode& erase) {
    SBX_CHECK(quarantine.forget(kNodes, erase.id.str()));
    return erase_node->run([&](Binder& bind) { bind.bind(erase.id.str()); });
  }
  Result<void> apply_one(const ports::PutAnswer& put) {
    const model::KeptAnswer& a = put.answer;
    return put_answer->run(
        [&](Binder& bind) { bind.bind(a.owner).bind(a.key).bind(a.fingerprint).bind(a.text).bind(a.created_at); });
  }
  Result<void> apply_one(const ports::EraseAnswer& erase) {
    return erase_answer->run([&](Binder& bind) { bind.bind(erase.owner).bind(erase.key); });
  }

  Result<void> prepare_one(std::optional<Statement>& into, std::string_view sql) {
    SBX_TRY(statement, database.prepare(sql));
    into.emplace(std::move(statement));
    return {};
  }

  Database database;
  Quarantine quarantine;
  std::optional<Statement> put_sandbox;
  std::optional<Statement> move_sandbox;
  std::optional<Statement> put_node;
  std::optional<Statement> erase_sandbox;
  std::optional<Statement> erase_node;
  std::optional<Statement> put_answer;
  std::optional<Statement> erase_answer;
  std::optional<Statement> put_revision;
  std::optional<Statement> put_instance;
};

SqliteStore::SqliteStore(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

SqliteStore::~SqliteStore() { pool_.stop(); }

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(Database::Options options) {
  SBX_TRY(database, open_database(std::move(options), control_plane_schema()));
  auto connection = std::make_unique<Connection>(std::move(database));
  SBX_CHECK(connection->prepare());
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(connection)));
}

Task<Result<ports::StoreContents>> SqliteStore::load() {
  Connection* connection = connection_.get();
  auto contents = co_await pool_.run([connection] { return connection->load(); });
  co_return contents;
}

Task<Result<void>> SqliteStore::apply(ports::StoreTransaction transaction) {
  Connection* connection = connection_.get();
  auto applied =
      co_await pool_.run([connection, transaction = std::move(transaction)] { return connection->apply(transaction); });
  co_return applied;
}

}  // namespace sandboxd::store
