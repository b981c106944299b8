// What durability alone costs: SQLite commits of a control plane's own row, in a database of the same schema and
// settings, and nothing else.
//
//   bench_commit_floor DIRECTORY TEMPLATE_DATABASE
//
// The row is the first one of TEMPLATE_DATABASE, a control plane's. Each line COUNT on standard input commits COUNT
// copies with ids of their own, one a transaction, and prints "MICROSECONDS...": of BEGIN, INSERT and COMMIT.
#include "store/migrations.hpp"
#include "store/statement.hpp"

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace sandboxd;

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "bench_commit_floor: " << what << '\n';
  std::exit(1);
}

using Values = std::vector<sqlite3_value*>;
constexpr std::size_t kId = 0;
constexpr std::size_t kName = 2;

Values read_row(const char* path) {
  sqlite3* database = nullptr;
  sqlite3_stmt* select = nullptr;
  if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(database, "SELECT * FROM sandboxes LIMIT 1", -1, &select, nullptr) != SQLITE_OK ||
      sqlite3_step(select) != SQLITE_ROW) {
    fail(std::string(path) + ": " + sqlite3_errmsg(database));
  }
  Values values;
  for (int column = 0; column < sqlite3_column_count(select); ++column) {
    values.push_back(sqlite3_value_dup(sqlite3_column_value(select, column)));
  }
  sqlite3_finalize(select);
  sqlite3_close(database);
  return values;
}

class Floor {
 public:
  Floor(store::Database& database, Values values) : values_(std::move(values)) {
    std::string sql = "INSERT INTO sandboxes VALUES (?";
    for (std::size_t column = 1; column < values_.size(); ++column) sql += ", ?";
    begin_ = prepare(database, "BEGIN IMMEDIATE");
    insert_ = prepare(database, sql + ")");
    commit_ = prepare(database, "COMMIT");
  }

  std::int64_t commit_one() {
    const std::string id = "floor-" + std::to_string(next_++);
    const auto begin = std::chrono::steady_clock::now();
    step(begin_);
    for (std::size_t column = 0; column < values_.size(); ++column) {
      const int place = static_cast<int>(column) + 1;
      if (column == kId || column == kName) {
        sqlite3_bind_text(insert_, place, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
      } else {
        sqlite3_bind_value(insert_, place, values_[column]);
      }
    }
    step(insert_);
    step(commit_);
    const auto took = std::chrono::steady_clock::now() - begin;
    return std::chrono::duration_cast<std::chrono::microseconds>(took).count();
  }

 private:
  static sqlite3_stmt* prepare(store::Database& database, const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database.handle(), sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
      fail(sqlite3_errmsg(database.handle()));
    }
    return statement;
  }
  static void step(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) fail(sqlite3_errmsg(sqlite3_db_handle(statement)));
    sqlite3_reset(statement);
  }

  Values values_;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  std::uint64_t next_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) fail("usage: bench_commit_floor DIRECTORY TEMPLATE_DATABASE");
  store::Database::Options options;
  options.path = std::string(arguments[1]) + "/floor.db";
  auto database = store::open_database(std::move(options), store::control_plane_schema());
  if (!database) fail(database.error().message());
  Floor floor(*database, read_row(arguments[2]));
  for (std::string line; std::getline(std::cin, line);) {
    for (int i = std::atoi(line.c_str()); i > 0; --i) std::cout << floor.commit_one() << ' ';
    std::cout << std::endl;
  }
  return 0;  // the statements and values go with the process
}
