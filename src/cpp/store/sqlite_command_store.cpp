#include "store/sqlite_command_store.hpp"

#include "base/log.hpp"
#include "codec/guest_wire.hpp"
#include "store/migrations.hpp"
#include "store/statement.hpp"

#include <optional>
#include <utility>

namespace sandboxd::store {
namespace {

namespace guest = codec::guest;

constexpr Log kLog("store");
constexpr std::string_view kColumns = "SELECT record, uid, key FROM commands ";

constexpr std::string_view kFinish = R"sql(
UPDATE commands SET finished = 1, record = ?3, stdout = ?4, stderr = ?5, stdout_begin = ?6, stderr_begin = ?7,
  output_bytes = ?8 WHERE sandbox = ?1 AND id = ?2
)sql";

constexpr std::string_view kDropCommands = R"sql(
DELETE FROM commands WHERE sandbox = ?1 AND finished = 1 AND sequence <= (
  SELECT sequence FROM commands WHERE sandbox = ?1 AND finished = 1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)
)sql";

constexpr std::string_view kDropOutput = R"sql(
UPDATE commands SET stdout_begin = stdout_begin + length(stdout), stderr_begin = stderr_begin + length(stderr),
  stdout = x'', stderr = x'', output_bytes = 0
WHERE sequence IN (
  SELECT sequence FROM (
    SELECT sequence, sum(output_bytes) OVER (ORDER BY sequence DESC) AS with_newer FROM commands
    WHERE sandbox = ?1 AND finished = 1 AND output_bytes > 0)
  WHERE with_newer > ?2)
)sql";

std::string to_text(const model::Command& command) {
  codec::json::object document;
  document["v"] = 1;
  document["command"] = guest::command_object(command);
  return codec::write_json(document);
}

Result<ports::StoredCommand> read(const Row& row) {
  auto command = guest::decode_command(row.text(0));
  if (!command) return Error(ErrorCode::storage_failed, "record of a command: " + command.error().message());
  return ports::StoredCommand{*std::move(command), row.text(1), row.text(2)};
}

Error unknown(const std::string& id) { return {ErrorCode::not_found, "no command " + id}; }

}  // namespace

struct SqliteCommandStore::Connection {
  Connection(Database opened, ports::CommandLimits limits_in) : database(std::move(opened)), limits(limits_in) {}

  Result<void> run(std::string_view sql, const Statement::Bind& bind) {
    SBX_TRY(statement, database.prepare(sql));
    return statement.run(bind);
  }

  Result<std::vector<ports::StoredCommand>> find(const std::string& where, const Statement::Bind& bind) {
    SBX_TRY(statement, database.prepare(std::string(kColumns) + where));
    std::vector<ports::StoredCommand> found;
    SBX_CHECK(statement.each(bind, [&found](const Row& row) -> Result<void> {
      auto command = read(row);
      // Not worth more than a word: nothing on the machine is found by it.
      if (command) {
        found.push_back(*std::move(command));
      } else {
        kLog.warn("damaged record of a command left out", {{"error", command.error().message()}});
      }
      return {};
    }));
    return found;
  }

  Result<void> finish(const model::Command& command, const model::CommandOutput& output) {
    const std::string& sandbox = command.sandbox.str();
    const auto bytes = static_cast<std::int64_t>(output.stdout_bytes.size() + output.stderr_bytes.size());
    return database.transaction([&]() -> Result<void> {
      SBX_CHECK(run(kFinish, [&](Binder& bind) {
        bind.bind(sandbox).bind(command.id).bind(to_text(command));
        bind.bind_blob(output.stdout_bytes).bind_blob(output.stderr_bytes);
        bind.bind(static_cast<std::int64_t>(output.stdout_begin)).bind(static_cast<std::int64_t>(output.stderr_begin));
        bind.bind(bytes);
      }));
      SBX_CHECK(run(kDropCommands,
                    [&](Binder& bind) { bind.bind(sandbox).bind(static_cast<std::int64_t>(limits.commands)); }));
      if (bytes == 0) return {};
      return run(kDropOutput, [&](Binder& bind) { bind.bind(sandbox).bind(limits.output_bytes); });
    });
  }

  Result<model::CommandOutput> output(const std::string& sandbox, const std::string& id) {
    SBX_TRY(statement, database.prepare("SELECT stdout, stderr, stdout_begin, stderr_begin FROM commands "
                                        "WHERE sandbox = ?1 AND id = ?2"));
    std::optional<model::CommandOutput> out;
    SBX_CHECK(statement.each([&](Binder& bind) { bind.bind(sandbox).bind(id); },
                             [&out](const Row& row) -> Result<void> {
                               out.emplace(model::CommandOutput{row.text(0), row.text(1),
                                                                static_cast<std::uint64_t>(row.integer(2)),
                                                                static_cast<std::uint64_t>(row.integer(3))});
                               return {};
                             }));
    if (!out) return unknown(id);
    return *std::move(out);
  }

  Database database;
  ports::CommandLimits limits;
};

SqliteCommandStore::SqliteCommandStore(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

SqliteCommandStore::~SqliteCommandStore() { pool_.stop(); }

Result<std::unique_ptr<SqliteCommandStore>> SqliteCommandStore::open(Database::Options options,
                                                                     ports::CommandLimits limits) {
  options.synchronous = "NORMAL";
  SBX_TRY(database, open_database(std::move(options), command_schema()));
  return std::unique_ptr<SqliteCommandStore>(
      new SqliteCommandStore(std::make_unique<Connection>(std::move(database), limits)));
}

Task<Result<std::vector<ports::StoredCommand>>> SqliteCommandStore::unfinished() {
  Connection* on = connection_.get();
  co_return co_await pool_.run([on] { return on->find("WHERE finished = 0 ORDER BY sequence", {}); });
}

Task<Result<void>> SqliteCommandStore::add(ports::StoredCommand command) {
  Connection* on = connection_.get();
  co_return co_await pool_.run([on, command = std::move(command)] {
    return on->run("INSERT INTO commands (sandbox, id, uid, key, finished, record) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
                   [&command](Binder& bind) {
                     bind.bind(command.command.sandbox.str()).bind(command.command.id);
                     bind.bind(command.uid).bind(command.key).bind(to_text(command.command));
                   });
  });
}

Task<Result<void>> SqliteCommandStore::finish(model::Command command, model::CommandOutput output) {
  Connection* on = connection_.get();
  co_return co_await pool_.run(
      [on, command = std::move(command), output = std::move(output)] { return on->finish(command, output); });
}

Task<Result<std::vector<model::Command>>> SqliteCommandStore::list(SandboxId sandbox) {
  Connection* on = connection_.get();
  SBX_CO_TRY(found, co_await pool_.run([on, sandbox = std::move(sandbox)] {
    return on->find("WHERE sandbox = ?1 ORDER BY sequence", [&sandbox](Binder& bind) { bind.bind(sandbox.str()); });
  }));
  std::vector<model::Command> commands;
  for (auto& one : found) commands.push_back(std::move(one.command));
  co_return commands;
}

Task<Result<ports::StoredCommand>> SqliteCommandStore::get(SandboxId sandbox, std::string id) {
  Connection* on = connection_.get();
  SBX_CO_TRY(found, co_await pool_.run([on, sandbox = std::move(sandbox), id] {
    return on->find("WHERE sandbox = ?1 AND id = ?2",
                    [&sandbox, &id](Binder& bind) { bind.bind(sandbox.str()).bind(id); });
  }));
  if (found.empty()) co_return unknown(id);
  co_return std::move(found.front());
}

Task<Result<model::CommandOutput>> SqliteCommandStore::output(SandboxId sandbox, std::string id) {
  Connection* on = connection_.get();
  co_return co_await pool_.run(
      [on, sandbox = std::move(sandbox), id = std::move(id)] { return on->output(sandbox.str(), id); });
}

Task<Result<void>> SqliteCommandStore::erase(SandboxId sandbox, std::string id) {
  Connection* on = connection_.get();
  co_return co_await pool_.run([on, sandbox = std::move(sandbox), id = std::move(id)] {
    return on->run("DELETE FROM commands WHERE sandbox = ?1 AND id = ?2",
                   [&sandbox, &id](Binder& bind) { bind.bind(sandbox.str()).bind(id); });
  });
}

Task<Result<void>> SqliteCommandStore::erase_sandbox(SandboxId sandbox) {
  Connection* on = connection_.get();
  co_return co_await pool_.run([on, sandbox = std::move(sandbox)] {
    return on->run("DELETE FROM commands WHERE sandbox = ?1", [&sandbox](Binder& bind) { bind.bind(sandbox.str()); });
  });
}

Task<Result<std::vector<SandboxId>>> SqliteCommandStore::sandboxes() {
  Connection* on = connection_.get();
  co_return co_await pool_.run([on]() -> Result<std::vector<SandboxId>> {
    SBX_TRY(statement, on->database.prepare("SELECT DISTINCT sandbox FROM commands"));
    std::vector<SandboxId> found;
    SBX_CHECK(statement.each({}, [&found](const Row& row) -> Result<void> {
      found.emplace_back(row.text(0));
      return {};
    }));
    return found;
  });
}

}  // namespace sandboxd::store
