// One prepared statement, reset by itself.
//
//   SBX_TRY(insert, database.prepare("INSERT INTO t VALUES (?1, ?2)"));
//   SBX_CHECK(insert.run([&](Binder& bind) { bind(id).bind(count); }));
//
// Kept for the life of its Database, which it must not outlive. Values are always bound, never written into the text.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"
#include "store/db.hpp"

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::store {

// Binds the parameters of a statement from the first to the last. Texts are copied by SQLite.
class Binder {
 public:
  explicit Binder(sqlite3_stmt* statement) : statement_(statement) {}
  Binder& bind(std::string_view text);
  Binder& bind(const std::string& text) { return bind(std::string_view(text)); }
  Binder& bind(const char* text) { return bind(std::string_view(text)); }
  Binder& bind_blob(std::string_view bytes);
  Binder& bind(std::int64_t number);
  Binder& bind(int number) { return bind(static_cast<std::int64_t>(number)); }
  Binder& bind(bool fact) { return bind(static_cast<std::int64_t>(fact ? 1 : 0)); }
  Binder& bind(WallTime at) { return bind(at.ns); }
  Binder& bind(std::optional<WallTime> at);
  [[nodiscard]] int status() const { return status_; }

 private:
  sqlite3_stmt* statement_;
  int next_ = 1;
  int status_ = 0;
};

// The current row. Columns are counted from 0.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] bool boolean(int column) const { return integer(column) != 0; }
  [[nodiscard]] WallTime time(int column) const { return {integer(column)}; }
  [[nodiscard]] std::optional<WallTime> optional_time(int column) const;

  // The row as text: how many columns, their names, and each value as SQL would have it, byte for byte.
  [[nodiscard]] int size() const;
  [[nodiscard]] std::string name(int column) const;
  [[nodiscard]] std::string literal(int column) const;

 private:
  sqlite3_stmt* statement_;
};

class Statement {
 public:
  Statement(const Database& database, sqlite3_stmt* statement) : database_(&database), statement_(statement) {}
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  using Bind = std::function<void(Binder&)>;
  // To its end, rows ignored. Errors: as Database::error().
  [[nodiscard]] Result<void> run(const Bind& bind = {});
  // `visit` for every row, until it fails.
  [[nodiscard]] Result<void> each(const Bind& bind, const std::function<Result<void>(const Row&)>& visit);

 private:
  const Database* database_;
  sqlite3_stmt* statement_;
};

}  // namespace sandboxd::store
