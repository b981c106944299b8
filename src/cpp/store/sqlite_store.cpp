#include "store/sqlite_store.hpp"

#include "codec/record.hpp"
#include "store/migrations.hpp"
#include "store/statement.hpp"

#include <utility>

namespace sandboxd::store {
namespace {

namespace record = codec::record;

constexpr std::string_view kPutSandbox = R"sql(
INSERT INTO sandboxes (id, uid, name, owner, dialect, desired, phase, memory_kept, node, ip, external, last_error,
  request_cpu_milli, request_memory_bytes, on_expiry, egress_mode, restart_policy, template_id, runtime, created_at_ns,
  updated_at_ns, expires_at_ns, running_since_ns, revision, spec, containers, ports, reasons, labels)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
  ?25, ?26, ?27, ?28, ?29)
ON CONFLICT (id) DO UPDATE SET uid = ?2, name = ?3, owner = ?4, dialect = ?5, desired = ?6, phase = ?7,
  memory_kept = ?8, node = ?9, ip = ?10, external = ?11, last_error = ?12, request_cpu_milli = ?13,
  request_memory_bytes = ?14, on_expiry = ?15, egress_mode = ?16, restart_policy = ?17, template_id = ?18,
  runtime = ?19, created_at_ns = ?20, updated_at_ns = ?21, expires_at_ns = ?22, running_since_ns = ?23, revision = ?24,
  spec = ?25, containers = ?26, ports = ?27, reasons = ?28, labels = ?29
)sql";

// A later moment of a life that is stored already: what was asked for stays as it is, and so do its indexes.
constexpr std::string_view kMoveSandbox = R"sql(
UPDATE sandboxes SET desired = ?3, phase = ?4, memory_kept = ?5, node = ?6, ip = ?7, external = ?8, last_error = ?9,
  updated_at_ns = ?10, expires_at_ns = ?11, running_since_ns = ?12, revision = ?13, containers = ?14, ports = ?15,
  reasons = ?16
WHERE id = ?1 AND uid = ?2 AND name = ?17 AND owner = ?18
)sql";

constexpr std::string_view kLoadSandboxes = R"sql(
SELECT id, uid, name, owner, dialect, desired, phase, memory_kept, node, ip, external, last_error, created_at_ns,
  updated_at_ns, expires_at_ns, running_since_ns, revision, spec, containers, ports, reasons
FROM sandboxes ORDER BY id
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

constexpr std::string_view kLoadNodes = R"sql(
SELECT id, ip, port, labels, unschedulable, state, source, last_error, boot_id, success_streak, failure_streak,
  resources, external, created_at_ns, updated_at_ns, last_heartbeat_ns, revision, external_id, external_created_at_ns,
  external_updated_at_ns, removing
FROM nodes ORDER BY id
)sql";

constexpr std::string_view kPutAnswer = R"sql(
INSERT INTO answers (owner, key, fingerprint, text, created_at_ns) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (owner, key) DO UPDATE SET fingerprint = ?3, text = ?4, created_at_ns = ?5
)sql";

constexpr std::string_view kLoadAnswers = R"sql(
SELECT owner, key, fingerprint, text, created_at_ns FROM answers ORDER BY owner, key
)sql";

constexpr std::string_view kPutRevision = R"sql(
INSERT INTO meta (key, value) VALUES ('revision', ?1) ON CONFLICT (key) DO UPDATE SET value = max(value, ?1)
)sql";
constexpr std::string_view kPutInstance = R"sql(
INSERT INTO meta (key, value) VALUES ('instance', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1
)sql";

Error bad_word(const char* kind, const std::string& id, const char* column, const std::string& word) {
  return {ErrorCode::storage_failed,
          std::string("record of ") + kind + " " + id + ": " + column + ": unknown value \"" + word + "\""};
}

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
  bind.bind(record::encode_labels(s.spec.labels));
}

void bind_move(Binder& bind, const model::Sandbox& s) {
  bind.bind(s.id.str()).bind(s.uid).bind(to_string(s.desired)).bind(to_string(s.phase)).bind(s.memory_kept);
  bind.bind(s.node.str()).bind(s.ip).bind(s.external).bind(s.last_error);
  bind.bind(s.updated_at).bind(s.expires_at).bind(s.running_since).bind(s.revision);
  bind.bind(record::encode_containers(s.containers)).bind(record::encode_ports(s.ports));
  bind.bind(record::encode_texts(s.reasons)).bind(s.name).bind(s.owner);
}

// Most of these were stored before; for the others the move finds no row, and the whole record is written.
bool is_likely_known(const model::Sandbox& sandbox) {
  return sandbox.phase != model::Phase::pending && sandbox.phase != model::Phase::scheduled;
}

// The columns are those of kLoadSandboxes, in their order.
Result<model::Sandbox> read_sandbox(const Row& row) {
  model::Sandbox out;
  const std::string id = row.text(0);
  out.id = SandboxId(id);
  out.uid = row.text(1);
  out.name = row.text(2);
  out.owner = row.text(3);
  out.dialect = row.text(4);
  const auto desired = model::parse_desired(row.text(5));
  if (!desired) return bad_word("sandbox", id, "desired", row.text(5));
  out.desired = *desired;
  const auto phase = model::parse_phase(row.text(6));
  if (!phase) return bad_word("sandbox", id, "phase", row.text(6));
  out.phase = *phase;
  out.memory_kept = row.boolean(7);
  out.node = NodeId(row.text(8));
  out.ip = row.text(9);
  out.external = row.text(10);
  out.last_error = row.text(11);
  out.created_at = row.time(12);
  out.updated_at = row.time(13);
  out.expires_at = row.optional_time(14);
  out.running_since = row.optional_time(15);
  out.revision = row.integer(16);
  SBX_TRY(spec, record::decode_spec(id, row.text(17)));
  SBX_TRY(containers, record::decode_containers(id, row.text(18)));
  SBX_TRY(ports, record::decode_ports(id, row.text(19)));
  SBX_TRY(reasons, record::decode_texts(id, row.text(20)));
  out.spec = std::move(spec);
  out.containers = std::move(containers);
  out.ports = std::move(ports);
  out.reasons = std::move(reasons);
  return out;
}

void bind_node(Binder& bind, const model::Node& n) {
  bind.bind(n.id.str()).bind(n.address.ip).bind(n.address.port).bind(record::encode_labels(n.labels));
  bind.bind(n.unschedulable).bind(to_string(n.state)).bind(n.source).bind(n.last_error).bind(n.boot_id);
  bind.bind(n.success_streak).bind(n.failure_streak).bind(record::encode_resources(n.resources)).bind(n.external);
  bind.bind(n.created_at).bind(n.updated_at).bind(n.last_heartbeat).bind(n.revision);
  bind.bind(n.external_id).bind(n.external_created_at).bind(n.external_updated_at).bind(n.removing);
}

// The columns are those of kLoadNodes, in their order.
Result<model::Node> read_node(const Row& row) {
  model::Node out;
  const std::string id = row.text(0);
  out.id = NodeId(id);
  out.address = {row.text(1), static_cast<int>(row.integer(2))};
  SBX_TRY(labels, record::decode_labels(id, row.text(3)));
  out.labels = std::move(labels);
  out.unschedulable = row.boolean(4);
  const auto state = model::parse_node_state(row.text(5));
  if (!state) return bad_word("node", id, "state", row.text(5));
  out.state = *state;
  out.source = row.text(6);
  out.last_error = row.text(7);
  out.boot_id = row.text(8);
  out.success_streak = row.integer(9);
  out.failure_streak = row.integer(10);
  SBX_TRY(resources, record::decode_resources(id, row.text(11)));
  out.resources = resources;
  out.external = row.text(12);
  out.created_at = row.time(13);
  out.updated_at = row.time(14);
  out.last_heartbeat = row.optional_time(15);
  out.revision = row.integer(16);
  out.external_id = row.text(17);
  out.external_created_at = row.optional_time(18);
  out.external_updated_at = row.optional_time(19);
  out.removing = row.boolean(20);
  return out;
}

}  // namespace

struct SqliteStore::Connection {
  explicit Connection(Database opened) : database(std::move(opened)) {}

  // After construction, when the database has its final place.
  Result<void> prepare() {
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
    SBX_TRY(sandboxes, database.prepare(kLoadSandboxes));
    SBX_CHECK(sandboxes.each({}, [&](const Row& row) -> Result<void> {
      SBX_TRY(sandbox, read_sandbox(row));
      out.sandboxes.push_back(std::move(sandbox));
      return {};
    }));
    SBX_TRY(nodes, database.prepare(kLoadNodes));
    SBX_CHECK(nodes.each({}, [&](const Row& row) -> Result<void> {
      SBX_TRY(node, read_node(row));
      out.nodes.push_back(std::move(node));
      return {};
    }));
    SBX_TRY(answers, database.prepare(kLoadAnswers));
    SBX_CHECK(answers.each({}, [&](const Row& row) -> Result<void> {
      out.answers.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.time(4)});
      return {};
    }));
    SBX_TRY(revision, database.query_integer("SELECT value FROM meta WHERE key = 'revision'"));
    out.revision = revision;
    SBX_TRY(instance, database.query_text("SELECT value FROM meta WHERE key = 'instance'"));
    out.instance = std::move(instance);
    return out;
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
    return erase_sandbox->run([&](Binder& bind) { bind.bind(erase.id.str()); });
  }
  Result<void> apply_one(const ports::PutNode& put) {
    return put_node->run([&](Binder& bind) { bind_node(bind, put.node); });
  }
  Result<void> apply_one(const ports::EraseNode& erase) {
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
