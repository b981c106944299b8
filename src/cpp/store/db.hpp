// A SQLite database file as an object: opened with our settings, locked against other processes, closed by its
// destructor.
//
// Write-ahead log with synchronous FULL: a commit that returned survives power loss. One connection, no mutex inside
// SQLite: the owner makes sure that one thread at a time uses it. SQLite's codes become an Error here and nowhere else.
#pragma once

#include "base/result.hpp"
#include "store/file_lock.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

struct sqlite3;

namespace sandboxd::store {

class Statement;

class Database {
 public:
  struct Options {
    std::string path;
    // Seams of the durability tests: another VFS, and how a commit is synced ("FULL" everywhere else).
    std::string vfs = {};
    std::string synchronous = "FULL";
  };

  // Makes the file (mode 0600: specs hold environment variables) and its directory's entry durable. Changes nothing in
  // a database that is there. Errors: conflict (another process holds "<path>.lock"), storage_failed.
  [[nodiscard]] static Result<Database> open(Options options);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // Looks through the whole file. Errors: storage_failed, with what to do about a damaged one.
  [[nodiscard]] Result<void> check_integrity();
  // Turns the write-ahead log on. Errors: storage_failed.
  [[nodiscard]] Result<void> enable_log(const std::string& synchronous);

  // Statements without results or parameters, one or several.
  [[nodiscard]] Result<void> execute(const std::string& sql);
  // The first column of the first row; `fallback` when there is no row.
  [[nodiscard]] Result<std::int64_t> query_integer(const std::string& sql, std::int64_t fallback = 0);
  [[nodiscard]] Result<std::string> query_text(const std::string& sql);
  // By the last statement that changes rows, such as an UPDATE.
  [[nodiscard]] std::int64_t rows_changed() const;
  // The statement points to this object, which may not be moved any more. Errors: storage_failed.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);

  // BEGIN IMMEDIATE, `work`, COMMIT. When either fails everything is rolled back. A commit that failed in its sync may
  // have left its pages in the log, where a crash would find them: they are overwritten at once if the disk allows it.
  [[nodiscard]] Result<void> transaction(const std::function<Result<void>()>& work);

  // An Error for `code` of the last call: already_exists for a broken UNIQUE, else storage_failed, with SQLite's own
  // text, the file, and for a full disk what to do.
  [[nodiscard]] Error error(int code, std::string_view doing) const;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] sqlite3* handle() const { return handle_; }

 private:
  Database(sqlite3* handle, std::string path, FileLock lock);
  void close();
  void rollback();
  void overwrite_refused_commit();

  sqlite3* handle_ = nullptr;
  std::string path_;
  FileLock lock_;
};

}  // namespace sandboxd::store
