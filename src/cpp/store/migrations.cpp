#include "store/migrations.hpp"

#include <array>

namespace sandboxd::store {
namespace {

// Step 1 of the control plane. Times are nanoseconds since 1970 UTC, booleans 0 or 1, enumerations their words.
constexpr const char* kControlPlane1 = R"sql(
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sandboxes (
  id TEXT PRIMARY KEY,
  uid TEXT NOT NULL,
  name TEXT NOT NULL,
  owner TEXT NOT NULL,
  dialect TEXT NOT NULL,
  desired TEXT NOT NULL,
  phase TEXT NOT NULL,
  memory_kept INTEGER NOT NULL,
  node TEXT NOT NULL,
  ip TEXT NOT NULL,
  external TEXT NOT NULL,
  last_error TEXT NOT NULL,
  request_cpu_milli INTEGER NOT NULL,
  request_memory_bytes INTEGER NOT NULL,
  on_expiry TEXT NOT NULL,
  egress_mode TEXT NOT NULL,
  restart_policy TEXT NOT NULL,
  template_id TEXT NOT NULL,
  runtime TEXT NOT NULL,
  created_at_ns INTEGER NOT NULL,
  updated_at_ns INTEGER NOT NULL,
  expires_at_ns INTEGER,
  running_since_ns INTEGER,
  revision INTEGER NOT NULL,
  spec TEXT NOT NULL,
  containers TEXT NOT NULL,
  ports TEXT NOT NULL,
  reasons TEXT NOT NULL,
  labels TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX sandboxes_owner_name ON sandboxes (owner, name) WHERE name <> '';
CREATE INDEX sandboxes_phase ON sandboxes (phase);
CREATE INDEX sandboxes_node ON sandboxes (node);

CREATE TABLE nodes (
  id TEXT PRIMARY KEY,
  ip TEXT NOT NULL,
  port INTEGER NOT NULL,
  labels TEXT NOT NULL,
  unschedulable INTEGER NOT NULL,
  state TEXT NOT NULL,
  source TEXT NOT NULL,
  last_error TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  success_streak INTEGER NOT NULL,
  failure_streak INTEGER NOT NULL,
  resources TEXT NOT NULL,
  external TEXT NOT NULL,
  created_at_ns INTEGER NOT NULL,
  updated_at_ns INTEGER NOT NULL,
  last_heartbeat_ns INTEGER,
  revision INTEGER NOT NULL
) STRICT;
CREATE INDEX nodes_state ON nodes (state);
)sql";

// Step 2: Externals are part of their node; answers that are kept under idempotency keys.
constexpr const char* kControlPlane2 = R"sql(
ALTER TABLE nodes ADD COLUMN external_id TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN external_created_at_ns INTEGER;
ALTER TABLE nodes ADD COLUMN external_updated_at_ns INTEGER;

CREATE TABLE answers (
  owner TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  text TEXT NOT NULL,
  created_at_ns INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) STRICT;
)sql";

// Step 3: a node whose removal is under way.
constexpr const char* kControlPlane3 = R"sql(
ALTER TABLE nodes ADD COLUMN removing INTEGER NOT NULL DEFAULT 0;
)sql";

// Step 4: rows that could not be read, kept aside. For a node: step 2.
constexpr const char* kQuarantine = R"sql(
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  key TEXT NOT NULL,
  reason TEXT NOT NULL,
  row_sql TEXT NOT NULL,
  quarantined_at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantine_key ON quarantine (source, key);
)sql";

// Step 5: indexes that nobody searches, and that every change of a sandbox paid for. The truth is in memory.
constexpr const char* kControlPlane5 = R"sql(
DROP INDEX sandboxes_phase;
DROP INDEX sandboxes_node;
)sql";

// Step 6: when a sandbox's last life ended.
constexpr const char* kControlPlane6 = R"sql(
ALTER TABLE sandboxes ADD COLUMN ended_at_ns INTEGER;
)sql";

// Step 1 of a node. A tombstone is one life of an id, so the id alone is no key.
constexpr const char* kNode1 = R"sql(
CREATE TABLE sandboxes (
  id TEXT PRIMARY KEY,
  uid TEXT NOT NULL,
  phase TEXT NOT NULL,
  slot TEXT NOT NULL,
  updated_at_ns INTEGER NOT NULL,
  record TEXT NOT NULL
) STRICT;

CREATE TABLE tombstones (
  id TEXT NOT NULL,
  uid TEXT NOT NULL,
  deleted_at_ns INTEGER NOT NULL,
  PRIMARY KEY (id, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_deleted_at ON tombstones (deleted_at_ns);
)sql";

// Commands in a node's sandboxes: a database of their own.
constexpr const char* kCommands1 = R"sql(
CREATE TABLE commands (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  sandbox TEXT NOT NULL,
  id TEXT NOT NULL,
  uid TEXT NOT NULL,
  key TEXT NOT NULL,
  finished INTEGER NOT NULL,
  record TEXT NOT NULL,
  stdout BLOB NOT NULL DEFAULT x'',
  stderr BLOB NOT NULL DEFAULT x'',
  stdout_begin INTEGER NOT NULL DEFAULT 0,
  stderr_begin INTEGER NOT NULL DEFAULT 0,
  output_bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE (sandbox, id)
) STRICT;
CREATE INDEX commands_finished ON commands (sandbox, finished, sequence, output_bytes);
)sql";

constexpr std::array kControlPlaneSteps{kControlPlane1, kControlPlane2, kControlPlane3,
                                        kQuarantine,    kControlPlane5, kControlPlane6};
constexpr std::array kNodeSteps{kNode1, kQuarantine};
constexpr std::array kCommandSteps{kCommands1};

Error refuse(const Database& database, const std::string& why) {
  return {ErrorCode::unsupported, "database " + database.path() + " " + why};
}

// The number of steps that the database has had.
Result<std::int64_t> check(Database& database, const Schema& schema) {
  const std::string name(schema.name);
  SBX_TRY(application, database.query_integer("PRAGMA application_id"));
  SBX_TRY(version, database.query_integer("PRAGMA user_version"));
  SBX_TRY(tables, database.query_integer("SELECT count(*) FROM sqlite_schema"));
  if (application != schema.application_id && (application != 0 || tables != 0)) {
    return refuse(database, "is not a sandboxd " + name + " database: name another file");
  }
  const auto newest = static_cast<std::int64_t>(schema.steps.size());
  if (version > newest) {
    return refuse(database, "was written by a newer sandboxd (schema " + std::to_string(version) +
                                ", this program knows " + std::to_string(newest) +
                                "): start that version, or give this one another data directory");
  }
  return version;
}

}  // namespace

// The numbers spell "SbxO", "SbxN" and "SbxC".
const Schema& control_plane_schema() {
  static const Schema schema{"control plane", 0x5362784f, kControlPlaneSteps};
  return schema;
}

const Schema& node_schema() {
  static const Schema schema{"node", 0x5362784e, kNodeSteps};
  return schema;
}

const Schema& command_schema() {
  static const Schema schema{"commands", 0x53627843, kCommandSteps};
  return schema;
}

Result<Database> open_database(Database::Options options, const Schema& schema) {
  SBX_TRY(database, Database::open(options));
  SBX_TRY(version, check(database, schema));
  SBX_CHECK(database.check_integrity());
  SBX_CHECK(database.enable_log(options.synchronous));
  const auto newest = static_cast<std::int64_t>(schema.steps.size());
  for (std::int64_t step = version + 1; step <= newest; ++step) {
    const auto migrated = database.transaction([&]() -> Result<void> {
      SBX_CHECK(database.execute(schema.steps[static_cast<std::size_t>(step - 1)]));
      SBX_CHECK(database.execute("PRAGMA application_id = " + std::to_string(schema.application_id)));
      return database.execute("PRAGMA user_version = " + std::to_string(step));
    });
    if (!migrated) return migrated.error().with_context("schema step " + std::to_string(step));
  }
  return database;
}

}  // namespace sandboxd::store
