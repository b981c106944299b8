#include "store/db.hpp"

#include "store/statement.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>
#include <utility>

namespace sandboxd::store {
namespace {

namespace fs = std::filesystem;

// The database appears with our mode; its log and index files take theirs from it.
Result<void> make_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return errno_error(errno, "opening database " + path, ErrorCode::storage_failed);
  ::close(fd);
  return {};
}

// A new file is found after a power loss only when its directory's entry was synced too.
Result<void> sync_directory(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  const std::string directory = parent.empty() ? std::string(".") : parent.string();
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, "opening directory " + directory, ErrorCode::storage_failed);
  const int synced = fsync(fd);
  const int number = errno;
  ::close(fd);
  if (synced != 0) return errno_error(number, "syncing directory " + directory, ErrorCode::storage_failed);
  return {};
}

// The extended code carries the cause in its low byte.
int primary(int code) { return code & 0xff; }

constexpr const char* kDamagedAdvice =
    "; the file is damaged or no database, and is left as it is: restore a copy of it, or move it away together with "
    "its -wal and -shm files to begin without what it holds";

std::string advice(int code) {
  switch (primary(code)) {
    case SQLITE_FULL: return "; the disk is full: free some space, the database is intact";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return kDamagedAdvice;
    case SQLITE_READONLY: return "; the file or its directory cannot be written by this user";
    default: return "";
  }
}

}  // namespace

Database::Database(sqlite3* handle, std::string path, FileLock lock)
    : handle_(handle), path_(std::move(path)), lock_(std::move(lock)) {}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), path_(std::move(other.path_)), lock_(std::move(other.lock_)) {}

Database& Database::operator=(Database&& other) noexcept {
  if (this != &other) {
    close();
    handle_ = std::exchange(other.handle_, nullptr);
    path_ = std::move(other.path_);
    lock_ = std::move(other.lock_);
  }
  return *this;
}

Database::~Database() { close(); }

// The handle goes before the lock: closing may still write (the checkpoint of the log).
void Database::close() {
  if (handle_) sqlite3_close_v2(handle_);
  handle_ = nullptr;
}

Result<void> Database::check_integrity() {
  // Pages and their links; what a row means is judged by who reads it.
  SBX_TRY(verdict, query_text("PRAGMA quick_check(1)"));
  if (verdict == "ok") return {};
  return Error(ErrorCode::storage_failed, "database " + path_ + ": " + verdict + kDamagedAdvice);
}

Result<Database> Database::open(Options options) {
  SBX_TRY(lock, FileLock::acquire(options.path + ".lock", "database " + options.path));
  if (options.vfs.empty()) SBX_CHECK(make_file(options.path));  // the files of another VFS are its own affair
  sqlite3* handle = nullptr;
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code =
      sqlite3_open_v2(options.path.c_str(), &handle, kFlags, options.vfs.empty() ? nullptr : options.vfs.c_str());
  Database database(handle, options.path, std::move(lock));
  if (code != SQLITE_OK) return database.error(code, "opening it");
  sqlite3_busy_timeout(handle, 5000);  // somebody may look into the file with the sqlite3 shell
  if (options.vfs.empty()) SBX_CHECK(sync_directory(options.path));
  return database;
}

Result<void> Database::enable_log(const std::string& synchronous) {
  // The switch writes the file's first page under a rollback journal. EXTRA syncs the directory after the journal is
  // removed: one that came back after a power loss would empty the file, and SQLite drops the log of an empty file.
  SBX_CHECK(execute("PRAGMA synchronous = EXTRA"));
  SBX_TRY(mode, query_text("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return Error(ErrorCode::storage_failed, "database " + path_ + " cannot keep a write-ahead log (its mode is " +
                                                mode + "): put it on a local file system");
  }
  return execute("PRAGMA synchronous = " + synchronous + "; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF");
}

Result<void> Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code, "running a statement");
  return {};
}

Result<std::int64_t> Database::query_integer(const std::string& sql, std::int64_t fallback) {
  SBX_TRY(statement, prepare(sql));
  std::int64_t found = fallback;
  SBX_CHECK(statement.each({}, [&](const Row& row) -> Result<void> {
    found = row.integer(0);
    return {};
  }));
  return found;
}

Result<std::string> Database::query_text(const std::string& sql) {
  SBX_TRY(statement, prepare(sql));
  std::string found;
  SBX_CHECK(statement.each({}, [&](const Row& row) -> Result<void> {
    found = row.text(0);
    return {};
  }));
  return found;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return error(code, "preparing a statement");
  return Statement(*this, statement);
}

// Some failures roll back by themselves; a second ROLLBACK would only be refused.
void Database::rollback() {
  if (sqlite3_get_autocommit(handle_) == 0) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

std::int64_t Database::rows_changed() const { return sqlite3_changes64(handle_); }

Result<void> Database::transaction(const std::function<Result<void>()>& work) {
  SBX_CHECK(execute("BEGIN IMMEDIATE"));
  if (auto done = work(); !done) {
    rollback();
    return done;
  }
  const auto committed = execute("COMMIT");
  if (committed) return {};
  rollback();
  overwrite_refused_commit();
  return committed;
}

// A commit whose sync failed may stand complete in the log, where a crash would find it. The next commit is written
// over it, so one is made that changes nothing. If that fails too, the next real one does it.
void Database::overwrite_refused_commit() {
  const auto version = query_integer("PRAGMA user_version");
  if (!version) return;
  const auto written = execute("BEGIN IMMEDIATE; PRAGMA user_version = " + std::to_string(*version) + "; COMMIT");
  if (!written) rollback();
}

Error Database::error(int code, std::string_view doing) const {
  const ErrorCode kind = code == SQLITE_CONSTRAINT_UNIQUE ? ErrorCode::already_exists : ErrorCode::storage_failed;
  std::string text = "database " + path_ + ": " + std::string(doing) + ": ";
  text += handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  return {kind, text + " (" + std::to_string(code) + ")" + advice(code)};
}

}  // namespace sandboxd::store
